// A small plot of the last minute, one value a second.
const SECONDS = 60;

/** A plot on a canvas; its colour is the canvas's own. */
export class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.values = new Array(SECONDS).fill(null);
  }

  /** The next second's value; null where there is none. */
  push(value) {
    this.values.push(value);
    this.values.shift();
    this.draw();
  }

  draw() {
    const { canvas, values } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext('2d');
    pen.clearRect(0, 0, width, height);
    const most = Math.max(1, ...values);
    const place = (value, at) => [
      (at / (SECONDS - 1)) * width,
      height - scale - (value / most) * (height - 3 * scale),
    ];
    pen.strokeStyle = pen.fillStyle = getComputedStyle(canvas).color;
    pen.lineWidth = 1.5 * scale;
    pen.lineJoin = 'round';
    let run = [];
    const finish = () => {
      if (run.length === 0) return;
      pen.beginPath();
      run.forEach(([x, y]) => pen.lineTo(x, y));
      pen.stroke();
      pen.lineTo(run.at(-1)[0], height);
      pen.lineTo(run[0][0], height);
      pen.globalAlpha = 0.15;
      pen.fill();
      pen.globalAlpha = 1;
      run = [];
    };
    values.forEach((value, at) => (value === null ? finish() : run.push(place(value, at))));
    finish();
  }
}
