// Which file of the viewer knows which.
import { expect, test } from "vitest";

const SOURCES = import.meta.glob<string>("../src/**/*.{ts,tsx}", {
  query: "?raw",
  import: "default",
  eager: true,
});

const nameOf = (path: string) => path.replace("../src/", "").replace(/\.tsx?$/, "");
const folderOf = (file: string) => file.split("/").slice(0, -1).join("/");

/** The files that each file imports, by their names: `desk/toolbar` imports `viewport/tools`. */
const IMPORTS = new Map(
  Object.entries(SOURCES).map(([path, text]) => {
    const file = nameOf(path);
    const base = new URL(`http://viewer/${file}`);
    const named = [...text.matchAll(/(?:from|import) "(\.[^"]+)"/g)].map((match) => match[1] ?? "");
    const files = named.filter((name) => !name.endsWith(".css"));
    return [file, files.map((name) => new URL(name, base).pathname.slice(1))];
  }),
);

/** A way along the arrows that ends where it began; null when there is none. */
function circleIn(arrows: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const follow = (file: string, way: string[]): string[] | null => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const next of arrows.get(file) ?? []) {
      const circle = follow(next, [...way, file]);
      if (circle) return circle;
    }
    done.add(file);
    return null;
  };
  for (const file of arrows.keys()) {
    const circle = follow(file, []);
    if (circle) return circle;
  }
  return null;
}

test("every import names a file of the viewer", () => {
  expect(IMPORTS.size).toBeGreaterThan(50);
  expect([...IMPORTS.values()].flat().filter((file) => !IMPORTS.has(file))).toEqual([]);
});

test("a circle is found", () => {
  expect(circleIn(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]]))).toEqual(["b", "c", "b"]);
});

test("no files import each other in a circle", () => expect(circleIn(IMPORTS)).toBeNull());

test("no folders import each other in a circle", () => {
  const folders = new Map<string, string[]>();
  for (const [file, imported] of IMPORTS) {
    const from = folderOf(file) || file;
    const others = imported.map((one) => folderOf(one) || one).filter((folder) => folder !== from);
    folders.set(from, [...(folders.get(from) ?? []), ...others]);
  }
  expect(circleIn(folders)).toBeNull();
});

test("the desk knows no renderer; the study page alone says which one draws", () => {
  const renderer = (file: string) => /^viewport\/.+\//.test(file);
  const users = [...IMPORTS].filter(([file, imported]) => !renderer(file) && imported.some(renderer));
  expect(users.map(([file]) => file)).toEqual(["study/study-page"]);
});
