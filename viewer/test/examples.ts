// Values the tests begin from.
import type { Instance, Note, Reference, Series, Study, Title } from "../src/api/contract";

export const instance = (sop: string, frames = 1, is_image = true): Instance => ({
  sop_instance_uid: sop,
  sop_class_uid: "1.2.840.10008.5.1.4.1.1.2",
  number: null,
  frames,
  rows: 512,
  columns: 512,
  is_image,
});

export const series = (uid: string, instances: Instance[]): Series => ({
  series_instance_uid: uid,
  modality: "CT",
  number: 1,
  description: null,
  body_part: null,
  instances,
});

export const study = (all: Series[]): Study => ({
  study_instance_uid: "1",
  patient_id: null,
  patient_name: null,
  patient_birth_date: null,
  patient_sex: null,
  study_date: null,
  study_time: null,
  description: null,
  accession_number: null,
  modalities: [],
  series_count: all.length,
  instance_count: 0,
  image_series_count: all.length,
  image_count: 0,
  note_count: 0,
  thumbnail: null,
  series: all,
});

export const reference = (
  sop: string,
  frames: number[] | null = null,
  rest: Partial<Reference> = {},
): Reference => ({
  study_instance_uid: "1",
  series_instance_uid: "1.1",
  sop_class_uid: "1.2.840.10008.5.1.4.1.1.2",
  sop_instance_uid: sop,
  frames,
  segments: null,
  presentation_state_uid: null,
  status: "resolved",
  ...rest,
});

export const OF_INTEREST = { scheme: "DCM", value: "113000", meaning: "Of Interest" };
export const BEST_IN_SET = { scheme: "DCM", value: "113013", meaning: "Best In Set" };
export const MANIFEST = { scheme: "DCM", value: "113030", meaning: "Manifest" };
export const SERIES = { scheme: "DCM", value: "113015", meaning: "Series" };

const title = (code: typeof OF_INTEREST, group: string, rest: Partial<Title> = {}): Title => ({
  ...code,
  group,
  hot_key: null,
  modifiers: null,
  can_be_made: true,
  ...rest,
});

export const TITLES: Title[] = [
  title(MANIFEST, "manifest", { can_be_made: false, hot_key: "m" }),
  title({ scheme: "DCM", value: "128710", meaning: "For Teaching File Export" }, "export"),
  title(OF_INTEREST, "clinical", { hot_key: "i" }),
  title(BEST_IN_SET, "clinical", {
    hot_key: "k",
    modifiers: { context_group: "7012", mandatory: true, items: [SERIES] },
  }),
];

export const note = (rest: Partial<Note> = {}): Note => ({
  id: 5,
  version: 2,
  study_instance_uid: "1",
  title: OF_INTEREST,
  modifiers: [],
  description: "Liver",
  language: "en",
  author: { kind: "person", name: "Fischer^Anna", login: "af", verified: false },
  created: "2026-11-04T10:00:00Z",
  origin: "authored",
  standing: "live",
  references: [reference("1.1.1")],
  key_objects: [{ sop_instance_uid: "2.25.1", study_instance_uid: "1", registration: "registered" }],
  awaited: [],
  findings: [],
  ...rest,
});
