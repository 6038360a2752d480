/** What is only worth saying when it lasts. */
import { useEffect, useState } from 'preact/hooks';

/** Whether a condition has held for so many milliseconds; what is over sooner never shows. */
export function useLasting(holds: boolean, ms: number): boolean {
  const [lasts, setLasts] = useState(false);
  useEffect(() => {
    if (!holds) return;
    const timer = setTimeout(() => setLasts(true), ms);
    return () => {
      clearTimeout(timer);
      setLasts(false);
    };
  }, [holds, ms]);
  return holds && lasts;
}
