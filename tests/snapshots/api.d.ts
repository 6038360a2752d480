// Written by `cargo xtask codegen` from the built package: do not edit, regenerate.

/* tslint:disable */
/* eslint-disable */

/**
 * The version of the crate this module was built from, for the page's footer and for reports.
 */
export function version(): string;
