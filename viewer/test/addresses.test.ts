import { expect, test } from "vitest";
import { renderedAddress, thumbnailAddress } from "../src/api/pictures";
import { NOTE_FILTER } from "../src/notes/note-filter";
import { deepLinkOf, routeOf, studyAddress } from "../src/router";
import { STUDY_FILTER } from "../src/studies/study-filter";

const place = { study: "1", series: "1.2", sop: "1.2.3" };
const root = "/dicomweb/studies/1/series/1.2/instances/1.2.3";

test("addresses of pictures", () => {
  expect(renderedAddress(place, null)).toBe(`${root}/rendered`);
  expect(renderedAddress(place, null, { overlays: true })).toBe(`${root}/rendered`);
  expect(renderedAddress(place, null, { overlays: false })).toBe(`${root}/rendered?overlays=off`);
  expect(renderedAddress(place, 3, { window: { center: 40.126, width: 400 }, side: 512 })).toBe(
    `${root}/frames/3/rendered?window=40.13,400,linear&viewport=512,512`,
  );
  expect(thumbnailAddress(place)).toBe(`${root}/thumbnail`);
});

test.each<[string, string]>([
  ["/", "studies"],
  ["/studies", "studies"],
  ["/studies/1.2.3", "study"],
  ["/studies/1.2.3/", "study"],
  ["/studies/1/2", "unknown"],
  ["/notes", "notes"],
  ["/notes/1", "unknown"],
  ["/held", "held"],
  ["/findings", "findings"],
  ["/withdrawals", "withdrawals"],
  ["/elsewhere", "unknown"],
])("the page of %s is %s", (path, page) => expect(routeOf(path).page).toBe(page));

test("a deep link is read as it was written; a frame that is none is left out", () => {
  const link = { note: "7", sop: "1.2", frame: 3 };
  const address = studyAddress("1", link);
  expect(address).toBe("/studies/1?note=7&sop=1.2&frame=3");
  expect(deepLinkOf(new URL(address, "http://x").searchParams)).toEqual(link);
  expect(deepLinkOf(new URLSearchParams("frame=-1")).frame).toBeNull();
});

test("the filter of the study list survives the address", () => {
  const filter = { text: "山田 & co", modality: "CT", from: "2026-01-01", to: "", withNotes: true };
  expect(STUDY_FILTER.read(new URL(STUDY_FILTER.write(filter), "http://x").searchParams)).toEqual(filter);
});

test("the filter of the notes survives the address", () => {
  const filter = {
    title: "DCM|113000",
    author: "山田",
    patient: "A & B",
    text: "肝臓",
    origin: "received",
    since: "2026-11-24",
  };
  expect(NOTE_FILTER.read(new URL(NOTE_FILTER.write(filter), "http://x").searchParams)).toEqual(filter);
});
