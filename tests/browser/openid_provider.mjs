// An OpenID provider (npm's oidc-provider) with roles as Keycloak gives them, short tokens, and keys that are rotated.
// Arguments: the module, its port, the address of Kinote, seconds for which tokens are valid.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";

const [module, port, kinote, seconds] = process.argv.slice(2);
const { default: Provider } = await import(module);
const { default: MemoryAdapter } = await import(new URL("adapters/memory_adapter.js", `file://${module}`));
// All generations have one memory: a class of its own shares what is the module's.
class Shared extends MemoryAdapter {}
const lasts = Number(seconds);
const counts = { refreshed: 0, keys: 0 };
let generation = 0;

function create() {
  generation += 1;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const made = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: "kinote",
        client_secret: "a secret of both",
        redirect_uris: [`${kinote}/api/v1/session/openid/callback`],
        post_logout_redirect_uris: [`${kinote}/`],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: `key-${generation}`, use: "sig" }] },
    adapter: Shared,
    cookies: { keys: ["the same for all generations"] },
    conformIdTokenClaims: false,
    claims: { openid: ["sub", "realm_access"], profile: ["preferred_username", "family_name", "given_name"] },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({
        sub,
        preferred_username: sub,
        family_name: "Reader",
        given_name: "Rhea",
        realm_access: { roles: ["offline_access", "radiologist"] },
      }),
    }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: lasts, IdToken: lasts, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600 },
  });
  made.on("grant.success", (context) => {
    if (context.oidc.params.grant_type === "refresh_token") counts.refreshed += 1;
  });
  return made;
}

let current = create();
let closed = false;
createServer((request, response) => {
  const say = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(body);
  if (request.url === "/test/rotate") {
    current = create();
    say(200, "{}");
  } else if (request.url === "/test/refuse") {
    closed = true;
    say(200, "{}");
  } else if (request.url === "/test/counts") {
    say(200, JSON.stringify(counts));
  } else if (closed && request.url === "/token") {
    closed = false;
    say(400, '{"error": "invalid_grant"}');
  } else {
    if (request.url === "/jwks") counts.keys += 1;
    current.callback()(request, response);
  }
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));
