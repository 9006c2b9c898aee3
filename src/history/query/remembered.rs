//! What an agent that starts needs to know of the last one.

use super::Reader;
use crate::history::{
    Remembered,
    halts::halts,
    made::made,
    store::{StoreError, memory},
    unfinished::legacy,
};

impl Reader {
    /// All of it, where it cannot be written.
    pub(in crate::history) fn remembered(&self) -> Result<Remembered, StoreError> {
        self.ask(|connection| {
            Ok((memory(connection)?, legacy(connection)?, halts(connection)?, made(connection)?))
        })
    }
}
