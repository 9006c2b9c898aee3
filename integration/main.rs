//! The agent as a whole, tested against an Engine that runs in memory and under a clock that the tests move.

mod fake_engine_self;
mod support;
