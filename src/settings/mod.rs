//! From text to specs: what people write in labels, files, flags and the environment, and what it means.
//!
//! Pure. Nothing here reads a file, an environment variable or a clock, or knows an Engine. Parsing never fails as a
//! whole: every function gives what could be understood together with the [diagnostics](crate::model::diagnostic) on
//! the rest, so that a bad label costs its own job and nothing else.
//!
//! In reading order: [`params`] and [`global`] are the tables of everything that can be written; [`label`], [`ini`]
//! and [`mod@env`] turn text into [`layer::JobLayer`]s, and [`dialect`] that of other tools; [`resolve`] puts the layers
//! on top of each other and gives every value its type ([`value`]); [`made`] reads jobs that are asked for over the API; [`channels`] says where someone is told, and [`mod@notify`] who is told of a job; [`memo`] spares it from reading the same text twice;
//! [`mod@print`] goes the other way, and [`mod@explain`] says where each value comes from. [`compose`] reads the labels of
//! containers that no Engine has yet, and [`schema`] tells editors what may stand in it.

pub mod access;
mod action;
mod callers;
pub mod channels;
mod check;
pub mod compose;
pub mod dialect;
mod edges;
pub mod env;
pub mod explain;
pub mod global;
pub mod grants;
mod halts;
pub mod ini;
pub mod label;
mod labelled;
pub mod layer;
mod like;
mod look_up;
pub mod made;
pub mod memo;
mod network;
pub mod notify;
mod options;
mod own;
mod param;
pub mod params;
mod places;
mod policies;
pub mod print;
mod project;
pub mod resolve;
mod rights;
pub mod schema;
mod service;
mod service_action;
pub mod settle;
pub mod shape;
pub mod size;
mod sources;
mod swarm;
pub mod value;
mod work;
