import { useState } from "react";
import {
  actOnDelivery,
  type Delivery,
  type DeliveryAct,
  type DeliveryObject,
  deliveryObjects,
  type DeliveryState,
} from "../api/deliveries";
import { moment } from "../model/when";
import { useAnnounce } from "../parts/announcer";
import { ProblemNotice } from "../parts/problem-notice";
import { Sentence } from "../parts/sentence";
import { useAct } from "../parts/use-act";

/** The states of deliveries, as they are shown. */
export const DELIVERY_STATES: Record<DeliveryState, string> = {
  waiting: "Waiting",
  listing: "Being listed",
  sending: "Being sent",
  checking: "Being checked",
  failed: "Failed",
  done: "Done",
  cancelled: "Cancelled",
};

const BADGES: Partial<Record<DeliveryState, string>> = {
  sending: "badge-info",
  checking: "badge-info",
  failed: "badge-error",
};

/** What can be done to a delivery in a state: the act, its button, and what is said when it is done. */
const ACTS: Partial<Record<DeliveryState, [DeliveryAct, string, string][]>> = {
  waiting: [["cancel", "Cancel", "cancelled"]],
  listing: [["cancel", "Cancel", "cancelled"]],
  sending: [["cancel", "Cancel", "cancelled"]],
  checking: [["cancel", "Cancel", "cancelled"]],
  failed: [
    ["retry", "Send again", "sent again"],
    ["acknowledge", "Take note", "noted"],
  ],
  cancelled: [["retry", "Send again", "sent again"]],
};

/** States of objects of which a person wants to see the reason. */
const NOT_DELIVERED = ["refused", "failed", "unknown", "missing", "skipped"];

/** One delivery: how it stands, what is missing and why, and what can be done about it. */
export function DeliveryRow({ listed, onChanged }: { listed: Delivery; onChanged: () => void }) {
  const [changed, setChanged] = useState<Delivery | null>(null);
  const [objects, setObjects] = useState<DeliveryObject[] | null>(null);
  const acting = useAct();
  const reading = useAct();
  const announce = useAnnounce();
  const delivery = changed ?? listed;
  const { account } = delivery;
  const lacks = account.failed + account.skipped > 0 || account.verdict === "differs";
  const act = async (what: DeliveryAct, become: string) => {
    const done = await acting.run(async () => setChanged(await actOnDelivery(what, delivery.id)));
    if (!done) return;
    announce(`Delivery ${delivery.id}: ${become}`);
    onChanged();
  };
  const read = async () => {
    const pages = await Promise.all(NOT_DELIVERED.map((state) => deliveryObjects(delivery.id, state)));
    setObjects(pages.flatMap(({ items }) => items));
  };
  return (
    <li className="record" data-testid="delivery-row" data-delivery={delivery.id}>
      <div className="record-head">
        <span className={`badge ${BADGES[delivery.state] ?? ""}`} data-testid="delivery-state">
          {DELIVERY_STATES[delivery.state]}
        </span>
        <strong dir="auto">
          {delivery.id} to {delivery.destination.name}
        </strong>
        <span data-testid="delivery-account">{accountOf(delivery)}</span>
        <time dateTime={delivery.ordered_at}>{moment(delivery.ordered_at)}</time>
      </div>
      <p dir="auto" data-testid="delivery-sentence">
        <Sentence text={[delivery.held ?? delivery.sentence, delivery.said].filter(Boolean).join(" ")} />
      </p>
      {lacks && (
        <details
          onToggle={(event) => {
            if (event.currentTarget.open && !objects) void reading.run(read);
          }}
        >
          <summary data-testid="delivery-objects">What was not delivered</summary>
          {reading.problem && <ProblemNotice problem={reading.problem} />}
          {objects && (
            <ul className="history">
              {objects.map(({ sop_instance_uid, state, answer }) => (
                <li key={sop_instance_uid}>
                  {sop_instance_uid} {state}
                  {answer && `: ${answer}`}
                </li>
              ))}
            </ul>
          )}
        </details>
      )}
      {acting.problem && <ProblemNotice problem={acting.problem} />}
      <div className="act-bar" role="group" aria-label={`Acts on delivery ${delivery.id}`}>
        {(ACTS[delivery.state] ?? []).map(([what, button, become]) => (
          <button
            key={what}
            type="button"
            className="button"
            disabled={acting.working}
            data-testid={`delivery-${what}`}
            onClick={() => void act(what, become)}
          >
            {button}
          </button>
        ))}
      </div>
    </li>
  );
}

/** The account in words: the numbers of objects that stand for something. */
function accountOf({ account, state }: Delivery): string {
  if (state === "waiting" || state === "listing") return "not counted yet";
  const parts = [`${account.acknowledged} of ${account.manifest} acknowledged`];
  if (account.found !== null) parts.push(`${account.found} found there`);
  if (account.failed) parts.push(`${account.failed} failed`);
  if (account.skipped) parts.push(`${account.skipped} skipped`);
  if (account.verdict === "unverified") parts.push("unverified");
  return parts.join(", ");
}
