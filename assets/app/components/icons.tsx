// Inline drawings. They are decoration: whoever uses one gives it a name in words.

import type { ComponentChildren } from "preact";

function Icon({ children, size = 16 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width={size} height={size} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {children}
    </svg>
  );
}

export const ChevronDown = () => <Icon size={14}><path d="M4 6.5 8 10.5l4-4" /></Icon>;
export const ChevronLeft = () => <Icon><path d="M9.8 3.5 5.5 8l4.3 4.5" /></Icon>;
export const ChevronRight = () => <Icon><path d="M6.2 3.5 10.5 8l-4.3 4.5" /></Icon>;
export const Cross = () => <Icon size={14}><path d="m4 4 8 8m0-8-8 8" /></Icon>;
export const Check = () => <Icon><path d="m3 8.5 3.3 3.3L13 4.8" /></Icon>;
export const Copy = () => <Icon><rect x="5.5" y="5.5" width="8" height="8" rx="1.8" /><path d="M10.5 5.5V4.2c0-1-.7-1.7-1.7-1.7H4.2c-1 0-1.7.7-1.7 1.7v4.6c0 1 .7 1.7 1.7 1.7h1.3" /></Icon>;
export const Search = () => <Icon><circle cx="7" cy="7" r="4.3" /><path d="m10.3 10.3 3.2 3.2" /></Icon>;
export const Plus = () => <Icon><path d="M8 3v10M3 8h10" /></Icon>;
export const Calendar = () => <Icon><rect x="2.5" y="3.5" width="11" height="10" rx="2" /><path d="M2.5 6.8h11M5.5 2v2.4M10.5 2v2.4" /></Icon>;
export const Funnel = () => <Icon><path d="M2.5 4h11M4.8 8h6.4M7 12h2" /></Icon>;
export const External = () => <Icon size={13}><path d="M6.5 3.5H4.2c-1 0-1.7.7-1.7 1.7v6.6c0 1 .7 1.7 1.7 1.7h6.6c1 0 1.7-.7 1.7-1.7V9.5M9.5 2.5h4v4M13.2 2.8 7.5 8.5" /></Icon>;
export const Sun = () => <Icon><circle cx="8" cy="8" r="2.8" /><path d="M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" /></Icon>;
export const Moon = () => <Icon><path d="M13.3 9.6A5.7 5.7 0 0 1 6.4 2.7a5.7 5.7 0 1 0 6.9 6.9Z" /></Icon>;
export const Person = () => <Icon><circle cx="8" cy="5.4" r="2.6" /><path d="M2.8 13.5c.7-2.6 2.7-3.9 5.2-3.9s4.5 1.3 5.2 3.9" /></Icon>;
export const Slash = () => <Icon size={13}><circle cx="8" cy="8" r="5.8" /><path d="m4 4 8 8" /></Icon>;
export const Expand = () => <Icon size={13}><path d="M9.5 2.5h4v4M6.5 13.5h-4v-4M13.3 2.7 9.2 6.8M2.7 13.3l4.1-4.1" /></Icon>;

/** Mark is the logo without its name: two steps, one before the other. */
export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg class="mark" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <g class="mark-back" transform="rotate(-9 7.4 14.5)">
        <ellipse cx="7.4" cy="12.4" rx="3.5" ry="5" />
        <ellipse cx="7.7" cy="20" rx="2.5" ry="2.3" />
      </g>
      <g class="mark-front" transform="rotate(9 16.6 9)">
        <ellipse cx="16.6" cy="6.6" rx="3.5" ry="5" />
        <ellipse cx="16.3" cy="14.2" rx="2.5" ry="2.3" />
      </g>
    </svg>
  );
}

export function Logo() {
  return (
    <span class="logo">
      <Mark />
      <span class="logo-name">Footfall</span>
    </span>
  );
}
