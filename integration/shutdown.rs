//! How the agent ends.
