//! What a run printed, from the history, piece by piece: it may be longer than what fits into memory.

use std::{collections::VecDeque, io, path::PathBuf};

use bytes::Bytes;

use crate::{
    history::query::{Extent, Reader},
    model::run::{RunId, Stream},
};

/// One stream of a run. Where bytes were dropped a line says how many, as where it is downloaded.
#[derive(Debug)]
pub struct Printed {
    directory: PathBuf,
    run: RunId,
    stream: Stream,
    open: Option<(Reader, VecDeque<Extent>)>,
    place: u64,
}

impl Printed {
    /// Of this run, from the history in this directory.
    pub fn new(directory: PathBuf, run: RunId, stream: Stream) -> Self {
        Self { directory, run, stream, open: None, place: 0 }
    }

    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        if self.open.is_none() {
            let Some(reader) = Reader::open(&self.directory).map_err(io::Error::other)? else {
                return Ok(None);
            };
            let extents = reader.extents(&self.run, self.stream).map_err(io::Error::other)?;
            self.open = Some((reader, extents.into()));
        }
        let Some((reader, left)) = &mut self.open else { return Ok(None) };
        let Some(extent) = left.pop_front() else { return Ok(None) };
        let gap = extent.place.saturating_sub(self.place);
        if gap > 0 {
            self.place = extent.place;
            left.push_front(extent);
            return Ok(Some(Bytes::from(format!("\n[watchbell: {gap} bytes were dropped here]\n"))));
        }
        self.place = extent.place + extent.length;
        let pieces =
            reader.output(&self.run, self.stream, extent.place, self.place).map_err(io::Error::other)?;
        Ok(Some(pieces.into_iter().flat_map(|it| it.bytes).collect()))
    }
}

impl Iterator for Printed {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.piece().transpose()
    }
}

/// The last bytes of both streams, and how many of each are not among them.
pub fn ends(reader: &Reader, run: &RunId, most: u64) -> Option<[(Vec<u8>, u64); 2]> {
    let end = |stream| {
        let extents = reader.extents(run, stream).ok()?;
        let to = extents.last().map_or(0, |it| it.place + it.length);
        let pieces = reader.output(run, stream, to.saturating_sub(most), to).ok()?;
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|it| it.bytes).collect();
        let dropped = to - u64::try_from(bytes.len()).unwrap_or(to).min(to);
        Some((bytes, dropped))
    };
    Some([end(Stream::Stdout)?, end(Stream::Stderr)?])
}
