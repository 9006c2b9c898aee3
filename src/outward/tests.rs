//! Requests to real receivers on this machine.
