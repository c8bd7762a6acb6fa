import type { Series, Study } from "../api/contract";
import { thumbnailAddress } from "../api/pictures";
import type { Marks } from "../model/notes";
import { imageSeries, otherSeries, positionsOf } from "../model/positions";
import { plural } from "../model/when";
import { Document, Star } from "../parts/icons";
import { Picture } from "../parts/picture";

interface SeriesListProps {
  study: Study;
  current: Series | null;
  marks: Marks;
  onChoose: (series: Series) => void;
}

export function SeriesList({ study, current, marks, onChoose }: SeriesListProps) {
  const others = otherSeries(study);
  return (
    <nav className="series-list" aria-label="Series">
      <ul>
        {imageSeries(study).map((series) => (
          <li key={series.series_instance_uid}>
            <SeriesButton
              study={study.study_instance_uid}
              series={series}
              current={series.series_instance_uid === current?.series_instance_uid}
              marked={series.instances.filter((instance) => marks.has(instance.sop_instance_uid)).length}
              onChoose={onChoose}
            />
          </li>
        ))}
      </ul>
      {others.length > 0 && (
        <details className="other-series">
          <summary>{plural(others.length, "series without pictures", "series without pictures")}</summary>
          <ul>
            {others.map((series) => (
              <li key={series.series_instance_uid}>
                <Document />
                <span>
                  <span className="chip">{series.modality}</span> {series.description || "No description"}
                  <span className="quiet"> {plural(series.instances.length, "object")}</span>
                </span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </nav>
  );
}

interface SeriesButtonProps {
  study: string;
  series: Series;
  current: boolean;
  marked: number;
  onChoose: (series: Series) => void;
}

function SeriesButton({ study, series, current, marked, onChoose }: SeriesButtonProps) {
  const images = series.instances.filter((instance) => instance.is_image);
  const middle = images[Math.floor(images.length / 2)];
  const place = middle && { study, series: series.series_instance_uid, sop: middle.sop_instance_uid };
  const positions = positionsOf(series).length;
  return (
    <button
      type="button"
      className="series-button"
      aria-current={current ? "true" : undefined}
      onClick={() => onChoose(series)}
      data-testid="series"
      data-series={series.series_instance_uid}
      data-positions={positions}
    >
      <span className="series-picture">
        <Picture address={place ? thumbnailAddress(place) : null} text="" />
        {marked > 0 && (
          <span className="corner-star" title={plural(marked, "key image")}>
            <Star filled />
            <span aria-hidden="true">{marked}</span>
            <span className="visually-hidden">{plural(marked, "key image")}</span>
          </span>
        )}
      </span>
      <span className="series-text">
        <span className="series-name">
          {series.description || series.body_part || `Series ${series.number ?? ""}`}
        </span>
        <span className="quiet">
          <span className="chip">{series.modality}</span>{" "}
          {positions === images.length
            ? plural(images.length, "image")
            : `${plural(images.length, "image")}, ${positions} frames`}
        </span>
      </span>
    </button>
  );
}
