interface PositionSliderProps {
  index: number;
  count: number;
  text: string;
  marked: ReadonlySet<number>;
  drafted: ReadonlySet<number>;
  onIndex: (index: number) => void;
}

/** The slider through a series, with a tick where a picture is marked. */
export function PositionSlider({ index, count, text, marked, drafted, onIndex }: PositionSliderProps) {
  const place = (position: number) => `${count > 1 ? (position / (count - 1)) * 100 : 50}%`;
  return (
    <div className="slider">
      <div className="slider-track">
        <div className="slider-ticks" aria-hidden="true">
          {[...marked].map((position) => (
            <span key={position} className="tick tick-marked" style={{ left: place(position) }} />
          ))}
          {[...drafted].map((position) => (
            <span key={position} className="tick tick-drafted" style={{ left: place(position) }} />
          ))}
        </div>
        <input
          type="range"
          min={0}
          max={Math.max(0, count - 1)}
          value={index}
          disabled={count < 2}
          aria-label="Position in the series"
          aria-valuetext={text}
          data-testid="position"
          onChange={(event) => onIndex(Number(event.target.value))}
        />
      </div>
      <output className="slider-text">
        {index + 1} / {count}
      </output>
    </div>
  );
}
