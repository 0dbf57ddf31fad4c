// The page's colours, as they are now, and textures in them.
const names = ['fg', 'muted', 'grid', 'bg', 'panel', 'link', 'c-forward', 'c-backward', 'c-weight', 'c-communication',
  'c-optimizer', 'c-idle', 'c-other', 'c-limit', 'c-yellow', 'c-sky'];

export function look() {
  const style = getComputedStyle(document.documentElement);
  const colour = Object.fromEntries(names.map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
  return {
    colour,
    text: { color: colour.fg, fontFamily: 'system-ui, sans-serif', fontSize: 12 },
    axis: {
      axisLine: { lineStyle: { color: colour.muted } },
      axisLabel: { color: colour.fg, hideOverlap: true },
      nameTextStyle: { color: colour.muted },
      splitLine: { lineStyle: { color: colour.grid } },
    },
    tooltip: {
      renderMode: 'richText',  // elements would need styles that the page's policy forbids
      confine: true,
      backgroundColor: colour.bg,
      borderColor: colour.muted,
      textStyle: { color: colour.fg, fontSize: 12 },
    },
  };
}

// Black or white, whichever stands out from a colour "#rrggbb" (WCAG's relative luminance, without its gamma).
export function inkOn(colour) {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16) / 255);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.45 ? '#1b1f24' : '#ffffff';
}

// A fill of lines or dots in `ink` over `ground`, for those who cannot tell the colours apart.
export function textured(texture, ground, ink) {
  if (texture === 'solid') return ground;
  const tile = document.createElement('canvas');
  tile.width = 8;
  tile.height = 8;
  const pen = tile.getContext('2d');
  pen.fillStyle = ground;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = ink;
  pen.fillStyle = ink;
  pen.lineWidth = 1.5;
  pen.beginPath();
  if (texture === 'dots') pen.fillRect(2, 2, 2, 2);
  if (texture === 'vertical') { pen.moveTo(3.5, 0); pen.lineTo(3.5, 8); }
  if (texture === 'horizontal') { pen.moveTo(0, 3.5); pen.lineTo(8, 3.5); }
  if (texture === 'diagonal') for (const at of [-8, 0, 8]) { pen.moveTo(at, 8); pen.lineTo(at + 8, 0); }
  pen.stroke();
  return { image: tile, repeat: 'repeat' };
}
