// A country's flag, where the system can draw flags; its two letters elsewhere.

export function Flag({ code }: { code: string }) {
  const known = /^[A-Z]{2}$/.test(code);
  if (known && drawsFlags()) return <span class="flag" aria-hidden="true">{emoji(code)}</span>;
  return <span class="flag letters" aria-hidden="true">{known ? code : "··"}</span>;
}

function emoji(code: string): string {
  return String.fromCodePoint(...[...code].map((c) => 0x1f1a5 + c.charCodeAt(0)));
}

let answer: boolean | undefined;

/** drawsFlags draws one and looks for colour: systems without flags show two grey letters or boxes instead. */
function drawsFlags(): boolean {
  if (answer !== undefined) return answer;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 24;
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  if (!ctx) return (answer = false);
  ctx.font = "18px sans-serif";
  ctx.fillStyle = "#000";
  ctx.fillText(emoji("DE"), 0, 18);
  const { data } = ctx.getImageData(0, 0, 24, 24);
  answer = false;
  for (let i = 0; i < data.length; i += 4) {
    if (Math.abs(data[i]! - data[i + 2]!) > 60) answer = true;
  }
  return answer;
}
