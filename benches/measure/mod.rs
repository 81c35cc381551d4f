//! What the benchmarks measure with: callbacks and their load, a process's usage, the machine, several runs as one
//! number.

pub(crate) mod callbacks;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod spread;
pub(crate) mod usage;
