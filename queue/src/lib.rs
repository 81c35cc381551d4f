//! Jobs, deliveries and settlements, and the engines that carry them.
