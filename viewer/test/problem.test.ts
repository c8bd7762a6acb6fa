import { expect, test } from "vitest";
import { asProblem, Problem, problemFrom, sortErrors } from "../src/api/problem";

test("a problem document is read with its field errors", () => {
  const problem = problemFrom(
    422,
    JSON.stringify({
      title: "The note was refused",
      detail: "Two fields",
      errors: [{ field: "title", message: "No" }, { junk: 1 }],
    }),
  );
  expect([problem.status, problem.title, problem.message]).toEqual([
    422,
    "The note was refused",
    "Two fields",
  ]);
  expect(problem.errors).toEqual([{ field: "title", message: "No" }]);
});

test.each<[string, string]>([
  ["<html>Bad gateway</html>", "<html>Bad gateway</html>"],
  ["[]", "[]"],
  ["", "The server answered 502"],
])("an answer that is no problem document: %s", (body, message) => {
  const problem = problemFrom(502, body);
  expect([problem.title, problem.message]).toEqual(["The server answered 502", message]);
});

test("errors go to the field they name, to the reference they name, or to the form", () => {
  const sorted = sortErrors(
    new Problem(422, "Refused", "", [
      { field: "references[1].frames", message: "Frame 9 does not exist" },
      { field: "references[1]", message: "Unknown image" },
      { field: "references", message: "None" },
      { field: "author.name", message: "Empty" },
      { field: "modifiers[0].value", message: "Not of CID 7012" },
      { field: "study", message: "Gone" },
      { field: "", message: "Odd" },
    ]),
  );
  expect(sorted.byReference).toEqual(new Map([[1, ["Frame 9 does not exist", "Unknown image"]]]));
  expect(sorted.byField).toEqual({ references: ["None"], author: ["Empty"], modifiers: ["Not of CID 7012"] });
  expect(sorted.other).toEqual(["study: Gone", "Odd"]);
});

test("a problem without field errors shows its own message", () => {
  expect(sortErrors(new Problem(500, "A fault", "Look into the log")).other).toEqual(["Look into the log"]);
});

test("a server that cannot be reached is said to be that", () => {
  expect(asProblem(new TypeError("Failed to fetch")).title).toBe("The server cannot be reached");
  expect(asProblem(new Error("odd")).message).toBe("odd");
});
