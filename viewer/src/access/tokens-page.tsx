import { useId, useState } from "react";
import { addToken, revokeToken, type Token, tokens } from "../api/access";
import { ConfirmDialog } from "../dialogs/confirm-dialog";
import { Dialog } from "../dialogs/dialog";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { moment, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { Link } from "../router";
import { SCOPES } from "./words";

type Open = { what: "add" } | { what: "made"; token: string } | { what: "revoke"; token: Token } | null;

/** By which programs sign in. */
export function TokensPage() {
  const pages = usePages(tokens);
  const [open, setOpen] = useState<Open>(null);
  const announce = useAnnounce();
  const close = () => setOpen(null);
  return (
    <ListPage
      title="API tokens"
      pages={pages}
      counted={(count) => plural(count, "token")}
      lead={
        <>
          By which programs sign in as one of the <Link href="/users">users</Link>, with some of its rights and until a
          set time.
        </>
      }
      bar={
        <div className="filter-bar">
          <button
            type="button"
            className="button primary"
            onClick={() => setOpen({ what: "add" })}
            data-testid="add-token"
          >
            Make a token
          </button>
        </div>
      }
      nothing={
        <div className="empty" data-testid="no-tokens">
          <h2>There are no tokens</h2>
        </div>
      }
      testids={{ count: "token-count", more: "more-tokens" }}
    >
      {pages.items.length > 0 && (
        <table className="record-table" data-testid="token-list">
          <thead>
            <tr>
              <th scope="col">For</th>
              <th scope="col">User</th>
              <th scope="col">Rights at most</th>
              <th scope="col">Expires</th>
              <th scope="col">
                <span className="visually-hidden">Revoke</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {pages.items.map((token) => (
              <tr key={token.id} data-testid="token-row">
                <th scope="row" dir="auto">
                  {token.name}
                </th>
                <td data-label="User">{token.user}</td>
                <td data-label="Rights at most">{token.scopes.join(", ")}</td>
                <td data-label="Expires">{moment(token.expires_at)}</td>
                <td>
                  {token.revoked_at ? (
                    <span className="badge">revoked</span>
                  ) : (
                    <button
                      type="button"
                      className="button plain"
                      aria-label={`Revoke ${token.name}`}
                      onClick={() => setOpen({ what: "revoke", token })}
                      data-testid="revoke-token"
                    >
                      Revoke
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open?.what === "add" && (
        <AddToken
          onClose={close}
          onMade={(token) => {
            setOpen({ what: "made", token });
            pages.restart();
          }}
        />
      )}
      {open?.what === "made" && (
        <Dialog title="The new token" testid="made-token-dialog" onClose={close}>
          <p>Copy it now. It is never shown again.</p>
          <code className="uid" data-testid="made-token">
            {open.token}
          </code>
        </Dialog>
      )}
      {open?.what === "revoke" && (
        <Revoke
          token={open.token}
          onClose={close}
          onDone={() => {
            close();
            announce("The token was revoked");
            pages.restart();
          }}
        />
      )}
    </ListPage>
  );
}

function AddToken({ onClose, onMade }: { onClose: () => void; onMade: (token: string) => void }) {
  const [user, setUser] = useState("");
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [scopes, setScopes] = useState<string[]>(["read"]);
  const { working, problem, run } = useAct();
  const id = useId();
  const ready = user.trim() !== "" && name.trim() !== "" && scopes.length > 0 && Number(days) > 0 && !working;
  return (
    <ConfirmDialog
      title="Make a token"
      testid="add-token-dialog"
      keep="Cancel"
      confirm={working ? "Working…" : "Make"}
      confirmTestid="add-token-confirm"
      harmless
      ready={ready}
      onClose={onClose}
      onConfirm={() =>
        void run(async () => {
          onMade((await addToken({ user: user.trim(), name: name.trim(), scopes, days: Number(days) })).token);
        })
      }
    >
      <TokenField id={`${id}-user`} label="Login of its user" value={user} testid="token-user" onChange={setUser} first />
      <TokenField id={`${id}-name`} label="What it is for" value={name} testid="token-name" onChange={setName} />
      <TokenField id={`${id}-days`} label="Days until it expires" value={days} testid="token-days" onChange={setDays} />
      <fieldset className="choices">
        <legend>Rights at most</legend>
        {SCOPES.map((scope) => (
          <label key={scope} className="choice">
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={(event) =>
                setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))
              }
              data-testid={`scope-${scope}`}
            />
            <span>{scope}</span>
          </label>
        ))}
      </fieldset>
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmDialog>
  );
}

interface TokenFieldProps {
  id: string;
  label: string;
  value: string;
  testid: string;
  onChange: (text: string) => void;
  first?: boolean;
}

function TokenField({ id, label, value, testid, onChange, first }: TokenFieldProps) {
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="text"
        autoComplete="off"
        maxLength={100}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        data-first={first ? true : undefined}
        data-testid={testid}
      />
    </div>
  );
}

function Revoke({ token, onClose, onDone }: { token: Token; onClose: () => void; onDone: () => void }) {
  const { working, problem, run } = useAct();
  return (
    <ConfirmDialog
      title={`Revoke ${token.name}`}
      testid="revoke-dialog"
      keep="Leave it"
      confirm={working ? "Working…" : "Revoke"}
      confirmTestid="revoke-confirm"
      ready={!working}
      onClose={onClose}
      onConfirm={() =>
        void run(async () => {
          await revokeToken(token);
          onDone();
        })
      }
    >
      <p>The program that uses it is refused from then on. It cannot be undone; a new token can be made.</p>
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmDialog>
  );
}
