//! What an agent that starts needs to know of the last one.

use super::Reader;
use crate::history::{Remembered, store::StoreError};

impl Reader {
    /// All of it, where it cannot be written.
    pub(in crate::history) fn remembered(&self) -> Result<Remembered, StoreError> {
        self.ask(Remembered::read)
    }
}
