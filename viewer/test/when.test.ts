import { expect, test } from "vitest";
import { ageAt, bytes, clock, day, moment, personName, plural } from "../src/model/when";

test.each<[string | null, string]>([
  ["20260131", "2026-01-31"],
  ["2026-01-31", "2026-01-31"],
  ["2026", "2026"],
  ["", ""],
  [null, ""],
])("day %s", (given, expected) => expect(day(given)).toBe(expected));

test.each<[string | null, string]>([
  ["093015.5", "09:30"],
  ["09:30:15", "09:30"],
  ["09", ""],
  [null, ""],
])("clock %s", (given, expected) => expect(clock(given)).toBe(expected));

test("an instant is shown in the reader's own time zone, what is none as it stands", () => {
  const local = new Date(2026, 0, 31, 9, 5);
  expect(moment(local.toISOString())).toBe("2026-01-31 09:05");
  expect(moment("once upon a time")).toBe("once upon a time");
  expect(moment(null)).toBe("");
});

test.each<[string | null, string | null, number | null]>([
  ["19800615", "20260614", 45],
  ["19800615", "20260615", 46],
  ["1980-06-15", "20260616", 46],
  [null, "20260616", null],
  ["20270101", "20260616", null],
])("age of one born %s on %s", (birth, on, expected) => expect(ageAt(birth, on)).toBe(expected));

test.each<[string | null, string]>([
  ["DOE^JANE", "DOE, JANE"],
  ["DOE^JANE^M^DR^PHD", "DOE, DR JANE M PHD"],
  ["DOE", "DOE"],
  ["^JANE", "JANE"],
  ["Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田 太郎, やまだ たろう)"],
  ["=山田^太郎", "山田 太郎"],
  ["Anna Fischer", "Anna Fischer"],
  ["^^^^", ""],
  [null, ""],
])("person name %s", (given, expected) => expect(personName(given)).toBe(expected));

test.each<[number, string]>([
  [0, "0 B"],
  [999, "999 B"],
  [1500, "1.5 KB"],
  [526_000, "526 KB"],
  [2_000_000_000, "2.0 GB"],
])("%i bytes", (given, expected) => expect(bytes(given)).toBe(expected));

test("plurals", () => {
  expect([plural(1, "study", "studies"), plural(2, "study", "studies"), plural(0, "note")]).toEqual([
    "1 study",
    "2 studies",
    "0 notes",
  ]);
});
