//! Promises about `examples/observability` and about `/metrics` as Prometheus itself sees it.

mod rules;
mod scraped;
