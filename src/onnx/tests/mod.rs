//! Tests of the importer and the exporter together, on files that are made here, and on real
//! networks where they are present.

mod bad_input;
mod external;
mod fixtures;
mod functions;
mod many_parts;
mod reading;
mod real_networks;
mod round_trip;
