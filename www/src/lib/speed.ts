/** Products that one engine multiplies and adds in a millisecond of full precision, about. */
export const PRODUCTS_PER_MS = 1e7;
