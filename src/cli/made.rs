//! The jobs that were made over the API, for the commands that look at all that an agent has: read from the state directory,
//! with or without an agent.

use std::sync::Arc;

use crate::{
    history::query::Reader,
    settings::{made::of_kept, resolve::Sources},
};

use super::print;

/// The same with the jobs that were made over the API. That they cannot be read is told.
pub fn with_made(sources: &Sources) -> Sources {
    let directory = &sources.settings.state_dir;
    let kept = Reader::open(directory).and_then(|it| it.map(|it| it.made()).transpose());
    let kept = kept.unwrap_or_else(|error| {
        let without = "what follows is without the jobs that were made over the API";
        print::complain(format_args!("watchbell: {error}: {}; {without}", error.mend()));
        None
    });
    sources.with_made(Arc::new(of_kept(kept.unwrap_or_default())))
}
