import { useEffect } from "react";
import { cacheNow } from "../api/retention";
import { bytes, plural } from "../model/when";
import { ProblemNotice } from "../parts/problem-notice";
import { ArrivalsChart } from "./arrivals-chart";
import type { ViewProps } from "./view-props";
import { useRead } from "./use-read";

/** How full the cache is, what arrives, and when the volume is full. */
export function CacheView({ bar }: ViewProps) {
  const { found: cache, problem, again } = useRead(cacheNow);
  useEffect(() => {
    document.title = "Retention · Kinote";
  }, []);
  return (
    <section className="page retention" aria-labelledby="retention-heading">
      <div className="page-head">
        <h1 id="retention-heading">Retention</h1>
      </div>
      <p className="lead">
        What is kept in the cache. What is evicted stays in every list, and is recalled from an archive when it is read.
      </p>
      {bar}
      {problem && <ProblemNotice problem={problem} onRetry={again} />}
      {cache && (
        <>
          <ul className="summary-numbers" data-testid="cache-numbers">
            <li>
              <strong>{bytes(cache.bytes)}</strong> of images in the cache
            </li>
            <li>
              <strong>{bytes(cache.volume.free)}</strong> free for images, of {bytes(cache.volume.total)}
            </li>
            {cache.to_free > 0 && (
              <li data-testid="cache-to-free">
                <strong>{bytes(cache.to_free)}</strong> beyond its bounds
              </li>
            )}
          </ul>
          <meter
            className="cache-meter"
            min={0}
            max={Math.max(cache.volume.total, 1)}
            value={cache.volume.total - cache.volume.free}
            aria-label="How full the volume is"
          />
          <p data-testid="cache-forecast">{cache.full_in}</p>
          {!cache.counted && <p>Not everything has been counted yet.</p>}
          {cache.arrivals.length > 0 && <ArrivalsChart arrivals={cache.arrivals} />}
          <h2>Archives</h2>
          {cache.archives.length === 0 && (
            <p data-testid="no-archives">No archive is in use: nothing is ever evicted.</p>
          )}
          <ul>
            {cache.archives.map(({ name, hindrance }) => (
              <li key={name}>
                <strong dir="auto">{name}</strong>: {hindrance ?? "What it has committed to may be evicted."}
              </li>
            ))}
          </ul>
          <h2>Evicted in the last 30 days</h2>
          {cache.regret.length === 0 && <p>Nothing.</p>}
          <ul data-testid="regret">
            {cache.regret.map(({ rule, evicted, recalled }) => (
              <li key={rule ?? ""}>
                {rule === null ? "By no rule" : <>By <b dir="auto">{rule}</b></>}: {plural(evicted, "object")}, of which{" "}
                {recalled} {recalled === 1 ? "was" : "were"} wanted back
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
