import { useId, useState } from "react";
import { addUser, changeUser, setPassword, type User, users } from "../api/access";
import { signedIn } from "../api/session";
import { ConfirmDialog } from "../dialogs/confirm-dialog";
import { ListPage } from "../lists/list-page";
import { usePages } from "../lists/use-pages";
import { personName, plural } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { useAct } from "../parts/use-act";
import { Link } from "../router";
import { ROLES } from "./words";

/** What is open over the list: adding a user, or changing one. */
type Open = { what: "add" } | { what: "roles" | "password" | "disable"; user: User } | null;

/** Who may sign in, as what. */
export function UsersPage() {
  const pages = usePages(users);
  const [open, setOpen] = useState<Open>(null);
  const announce = useAnnounce();
  const done = (said: string) => {
    setOpen(null);
    announce(said);
    pages.restart();
  };
  const close = () => setOpen(null);
  const act = useAct();
  const enable = (user: User) =>
    act.run(async () => {
      await changeUser({ ...user, enabled: true });
      done(`${user.login} may sign in again`);
    });
  return (
    <ListPage
      title="Users"
      pages={pages}
      counted={(count) => plural(count, "user")}
      lead={
        <>
          Who may sign in, and as what. A user is disabled and never deleted, since history names it. Programs sign in
          with <Link href="/tokens">API tokens</Link>.
        </>
      }
      bar={
        <div className="filter-bar">
          <button
            type="button"
            className="button primary"
            onClick={() => setOpen({ what: "add" })}
            data-testid="add-user"
          >
            Add a user
          </button>
          {act.problem && <ProblemNotice problem={act.problem} />}
        </div>
      }
      nothing={
        <div className="empty">
          <h2>There are no users</h2>
        </div>
      }
      testids={{ count: "user-count", more: "more-users" }}
    >
      {pages.items.length > 0 && (
        <table className="record-table" data-testid="user-list">
          <thead>
            <tr>
              <th scope="col">Login</th>
              <th scope="col">Name</th>
              <th scope="col">Roles</th>
              <th scope="col">
                <span className="visually-hidden">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {pages.items.map((user) => (
              <tr key={user.id} data-testid="user-row">
                <th scope="row">
                  {user.login} {!user.enabled && <span className="badge badge-warning">disabled</span>}
                  {!user.has_password && <span className="badge">tokens only</span>}
                </th>
                <td data-label="Name" dir="auto">
                  {personName(user.name)}
                </td>
                <td data-label="Roles">{user.roles.join(", ")}</td>
                <td>
                  <button
                    type="button"
                    className="button plain"
                    aria-label={`Roles of ${user.login}`}
                    onClick={() => setOpen({ what: "roles", user })}
                    data-testid="user-roles"
                  >
                    Roles
                  </button>
                  <button
                    type="button"
                    className="button plain"
                    aria-label={`Password of ${user.login}`}
                    onClick={() => setOpen({ what: "password", user })}
                    data-testid="user-password"
                  >
                    Password
                  </button>
                  {user.login !== signedIn()?.login && (
                    <button
                      type="button"
                      className="button plain"
                      aria-label={`${user.enabled ? "Disable" : "Enable"} ${user.login}`}
                      onClick={() => (user.enabled ? setOpen({ what: "disable", user }) : void enable(user))}
                      data-testid="user-enabled"
                    >
                      {user.enabled ? "Disable" : "Enable"}
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open?.what === "add" && <AddUser onClose={close} onDone={done} />}
      {open?.what === "roles" && <ChangeRoles user={open.user} onClose={close} onDone={done} />}
      {open?.what === "password" && <SetPassword user={open.user} onClose={close} onDone={done} />}
      {open?.what === "disable" && <Disable user={open.user} onClose={close} onDone={done} />}
    </ListPage>
  );
}

interface Ends {
  onClose: () => void;
  onDone: (said: string) => void;
}

function AddUser({ onClose, onDone }: Ends) {
  const [login, setLogin] = useState("");
  const [name, setName] = useState("");
  const [password, setNew] = useState("");
  const [roles, setRoles] = useState<string[]>(["reader"]);
  const { working, problem, run } = useAct();
  const id = useId();
  return (
    <ConfirmDialog
      title="Add a user"
      testid="add-user-dialog"
      keep="Cancel"
      confirm={working ? "Working…" : "Add"}
      confirmTestid="add-user-confirm"
      harmless
      ready={login.trim() !== "" && roles.length > 0 && !working}
      onClose={onClose}
      onConfirm={() =>
        void run(async () => {
          const user = await addUser({ login: login.trim(), name: name.trim(), roles, password: password || null });
          onDone(`${user.login} was added`);
        })
      }
    >
      <div className="field">
        <label htmlFor={`${id}-login`}>Login</label>
        <input
          id={`${id}-login`}
          type="text"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          maxLength={64}
          value={login}
          onChange={(event) => setLogin(event.target.value)}
          data-first
          data-testid="new-login"
        />
      </div>
      <div className="field">
        <label htmlFor={`${id}-name`}>Name, as Family^Given</label>
        <input
          id={`${id}-name`}
          type="text"
          autoComplete="off"
          maxLength={194}
          value={name}
          onChange={(event) => setName(event.target.value)}
          data-testid="new-name"
        />
      </div>
      <PasswordField label="Password; none for a program with API tokens" value={password} onChange={setNew} />
      <Roles roles={roles} onChange={setRoles} />
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmDialog>
  );
}

function ChangeRoles({ user, onClose, onDone }: Ends & { user: User }) {
  const [roles, setRoles] = useState(user.roles);
  const { working, problem, run } = useAct();
  return (
    <ConfirmDialog
      title={`Roles of ${user.login}`}
      testid="roles-dialog"
      keep="Cancel"
      confirm={working ? "Working…" : "Save"}
      confirmTestid="roles-confirm"
      harmless
      ready={!working}
      onClose={onClose}
      onConfirm={() =>
        void run(async () => {
          await changeUser({ ...user, roles });
          onDone(`The roles of ${user.login} were changed`);
        })
      }
    >
      <Roles roles={roles} onChange={setRoles} />
      <p className="quiet">They take effect at once, also in what the user is just doing.</p>
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmDialog>
  );
}

function SetPassword({ user, onClose, onDone }: Ends & { user: User }) {
  const [password, setNew] = useState("");
  const { working, problem, run } = useAct();
  return (
    <ConfirmDialog
      title={`Password of ${user.login}`}
      testid="password-dialog"
      keep="Cancel"
      confirm={working ? "Working…" : "Set"}
      confirmTestid="password-confirm"
      harmless
      ready={password !== "" && !working}
      onClose={onClose}
      onConfirm={() =>
        void run(async () => {
          await setPassword(user, password);
          onDone(`${user.login} has another password`);
        })
      }
    >
      <PasswordField label="New password" value={password} onChange={setNew} />
      <p className="quiet">All sessions of the user end.</p>
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmDialog>
  );
}

function Disable({ user, onClose, onDone }: Ends & { user: User }) {
  const { working, problem, run } = useAct();
  return (
    <ConfirmDialog
      title={`Disable ${user.login}`}
      testid="disable-dialog"
      keep="Leave it"
      confirm={working ? "Working…" : "Disable"}
      confirmTestid="disable-confirm"
      ready={!working}
      onClose={onClose}
      onConfirm={() =>
        void run(async () => {
          await changeUser({ ...user, enabled: false });
          onDone(`${user.login} may not sign in any more`);
        })
      }
    >
      <p>Sessions and API tokens of {user.login} end at once. What the user did stays, and the user can be enabled again.</p>
      {problem && <ProblemNotice problem={problem} />}
    </ConfirmDialog>
  );
}

function PasswordField({ label, value, onChange }: { label: string; value: string; onChange: (text: string) => void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="password"
        autoComplete="new-password"
        maxLength={256}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        data-testid="new-password"
      />
    </div>
  );
}

function Roles({ roles, onChange }: { roles: string[]; onChange: (roles: string[]) => void }) {
  return (
    <fieldset className="choices">
      <legend>Roles</legend>
      {ROLES.map(([role, meaning]) => (
        <label key={role} className="choice">
          <input
            type="checkbox"
            checked={roles.includes(role)}
            onChange={(event) =>
              onChange(event.target.checked ? [...roles, role] : roles.filter((each) => each !== role))
            }
            data-testid={`role-${role}`}
          />
          <span>
            {role} <span className="quiet">{meaning}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
