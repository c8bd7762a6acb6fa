// What roles, rights and events of the audit trail are called, and what they mean.

/** The roles that users can have (docs/security.md). */
export const ROLES: [string, string][] = [
  ["reader", "looks at studies and notes"],
  ["author", "also makes and withdraws notes"],
  ["administrator", "does everything but read the audit trail"],
  ["privacy officer", "reads the audit trail, and sees what is not in use"],
  ["system", "a program that stores and sends objects"],
];

/** The rights that a token can have. */
export const SCOPES = [
  "read",
  "store",
  "mark",
  "withdraw",
  "withdraw-others",
  "reject",
  "release",
  "deliver",
  "examine",
  "observe",
  "operate",
] as const;

/** The events of the audit trail. */
export const EVENTS = [
  "sign-in",
  "sign-out",
  "refused",
  "read",
  "query",
  "stored",
  "marked",
  "withdrawn",
  "restored",
  "decided",
  "delivered",
  "purged",
  "configured",
  "users changed",
  "trail read",
  "trail removed",
] as const;
