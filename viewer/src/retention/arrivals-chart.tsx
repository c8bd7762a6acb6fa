import { bytes, day } from "../model/when";

interface ArrivalsChartProps {
  arrivals: { hour: string; bytes: number; objects: number }[];
}

const WIDTH = 720;
const HEIGHT = 160;
const FOOT = 20;

/** What arrived on each of the last days, as bars. */
export function ArrivalsChart({ arrivals }: ArrivalsChartProps) {
  const days = daysOf(arrivals);
  const most = Math.max(1, ...days.map(([, size]) => size));
  const step = WIDTH / Math.max(days.length, 1);
  const sum = days.reduce((total, [, size]) => total + size, 0);
  return (
    <figure className="chart" data-testid="arrivals-chart">
      <figcaption>
        Arrivals by day: {bytes(sum)} in {days.length === 1 ? "1 day" : `${days.length} days`}, at most {bytes(most)} a day
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`At most ${bytes(most)} arrived on a day`}>
        {days.map(([date, size], at) => {
          const height = (size / most) * (HEIGHT - FOOT - 4);
          return (
            <g key={date}>
              <title>{`${date}: ${bytes(size)}`}</title>
              <rect
                className="chart-bar"
                x={at * step + step * 0.15}
                y={HEIGHT - FOOT - height}
                width={step * 0.7}
                height={height}
              />
              <text x={at * step + step / 2} y={HEIGHT - 5} textAnchor="middle">
                {date.slice(5)}
              </text>
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

/** Sums by day, also of days between on which nothing came. */
export function daysOf(arrivals: ArrivalsChartProps["arrivals"]): [string, number][] {
  const sums = new Map<string, number>();
  for (const { hour, bytes: size } of arrivals) sums.set(day(hour), (sums.get(day(hour)) ?? 0) + size);
  const dates = [...sums.keys()].sort();
  const [first, last] = [dates[0], dates[dates.length - 1]];
  if (!first || !last) return [];
  const found: [string, number][] = [];
  for (let at = Date.parse(first); at <= Date.parse(last); at += 86_400_000) {
    const date = new Date(at).toISOString().slice(0, 10);
    found.push([date, sums.get(date) ?? 0]);
  }
  return found;
}
