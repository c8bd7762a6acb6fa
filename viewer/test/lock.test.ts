import { expect, test } from "vitest";
import lock from "../package-lock.json";

interface LockedPackage {
  resolved?: string;
  integrity?: string;
  link?: boolean;
}

const packages = Object.entries(lock.packages as Record<string, LockedPackage>).filter(
  ([path]) => path !== "",
);

test("the lock file names no registry: whoever installs brings their own", () => {
  expect(packages.length).toBeGreaterThan(0);
  expect(packages.filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
});

test("every locked package is held to its content", () => {
  expect(packages.filter(([, entry]) => !entry.integrity?.startsWith("sha512-"))).toEqual([]);
});
