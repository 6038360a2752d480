/** The page's few icons: 16 × 16, one stroke, in the colour of the text. */
import type { ComponentChildren } from 'preact';

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {children}
    </svg>
  );
}

export const Undo = () => <Icon><path d="M6 3 3 6l3 3M3 6h6.5a3.5 3.5 0 0 1 0 7H7" /></Icon>;
export const Redo = () => <Icon><path d="m10 3 3 3-3 3M13 6H6.5a3.5 3.5 0 0 0 0 7H9" /></Icon>;
export const Cross = () => <Icon><path d="m4 4 8 8M12 4l-8 8" /></Icon>;
export const Down = () => <Icon><path d="M8 2.5v8M4.5 7.5 8 11l3.5-3.5M3 13.5h10" /></Icon>;
export const Chevron = () => <Icon><path d="m4.5 6.5 3.5 3.5 3.5-3.5" /></Icon>;
export const Link = () => <Icon><path d="M6.5 9.5a2.8 2.8 0 0 0 4 0l2.200-2.200a2.8 2.8 0 0 0-4-4L7.600 4.400M9.5 6.5a2.8 2.8 0 0 0-4 0L3.300 8.700a2.8 2.8 0 0 0 4 4l1.100-1.100" /></Icon>;
export const Sun = () => <Icon><circle cx="8" cy="8" r="2.8" /><path d="M8 1.5v1.200M8 13.300v1.200M1.5 8h1.200M13.300 8h1.200M3.400 3.400l.9.9M11.700 11.700l.9.9M3.400 12.600l.9-.9M11.700 4.300l.9-.9" /></Icon>;
export const Moon = () => <Icon><path d="M13.5 9.8A5.8 5.8 0 0 1 6.200 2.5a5.8 5.8 0 1 0 7.300 7.300Z" /></Icon>;
export const Half = () => <Icon><circle cx="8" cy="8" r="5.5" /><path d="M8 2.5a5.5 5.5 0 0 1 0 11Z" fill="currentColor" /></Icon>;
export const Swipe = () => <Icon><path d="M6 4.5 2.5 8 6 11.5M10 4.5 13.5 8 10 11.5" /></Icon>;
export const Picture = () => <Icon><rect x="2" y="3" width="12" height="10" rx="1.5" /><circle cx="5.5" cy="6.5" r="1" /><path d="m2.5 12 4-3.5 2.5 2 2-1.5 2.5 2" /></Icon>;
