//! What has to change: the jobs that are, against the jobs that there should be.
//!
//! Pure. Three laws, kept by tests: `plan(x, x)` is empty; applying a plan reaches what is desired; removals come
//! first, so that nothing that goes and nothing that comes are ever there together.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    model::{
        container::Holder,
        job::{JobSpec, Replica, Work},
        name::JobId,
    },
    settings::resolve::{Candidate, Desired, DesiredJob},
};

/// The jobs that are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    jobs: BTreeMap<JobId, Entry>,
}

/// One job that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The job.
    pub spec: Arc<JobSpec>,
    /// The container in which its runs go, on which they act, or which they are made like.
    pub holder: Option<Holder>,
    /// The containers that run, or may in a moment, where the job runs in each of them; else none.
    pub replicas: Vec<Holder>,
}

/// One step from what is to what should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The job goes.
    Remove(JobId),
    /// The job changes.
    Update {
        /// The job as it should be.
        spec: Arc<JobSpec>,
        /// Where it runs.
        holder: Option<Holder>,
        /// Where else it runs: as in [`Entry::replicas`].
        replicas: Vec<Holder>,
        /// The parameters that differ.
        changed: Vec<&'static str>,
    },
    /// The job stays as it is, and its runs go to other containers, or its containers stopped or started.
    Place {
        /// The job.
        job: JobId,
        /// Where it runs.
        holder: Option<Holder>,
        /// Where else it runs: as in [`Entry::replicas`].
        replicas: Vec<Holder>,
        /// Whether it is another container that runs.
        moved: bool,
    },
    /// The job comes.
    Add {
        /// The job.
        spec: Arc<JobSpec>,
        /// Where it runs.
        holder: Option<Holder>,
        /// Where else it runs: as in [`Entry::replicas`].
        replicas: Vec<Holder>,
    },
}

/// The steps from `catalog` to `desired`: first what goes, then what changes, then what comes.
pub fn plan(catalog: &Catalog, desired: &Desired) -> Vec<Change> {
    let (mut changes, mut updates, mut added) = (Vec::new(), Vec::new(), Vec::new());
    // Both are in the order of the identities, so one walk along the two finds every pair.
    let mut present = catalog.jobs.iter().peekable();
    for (id, DesiredJob { spec, candidates, nowhere: _ }) in &desired.jobs {
        while let Some((gone, _)) = present.next_if(|(other, _)| *other < id) {
            changes.push(Change::Remove(gone.clone()));
        }
        let Some((_, entry)) = present.next_if(|(other, _)| *other == id) else {
            let holder = place(None, candidates);
            added.push(Change::Add { spec: spec.clone(), holder, replicas: replicas(spec, candidates) });
            continue;
        };
        let holder = place(entry.holder.as_ref(), candidates);
        let replicas = replicas(spec, candidates);
        let differs = if Arc::ptr_eq(&entry.spec, spec) { Vec::new() } else { entry.spec.differences(spec) };
        if !differs.is_empty() {
            updates.push(Change::Update { spec: spec.clone(), holder, replicas, changed: differs });
        } else if holder != entry.holder || replicas != entry.replicas {
            let moved = match (&entry.holder, &holder) {
                (Some(old), Some(new)) => old.id != new.id,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            updates.push(Change::Place { job: id.clone(), holder, replicas, moved });
        }
    }
    changes.extend(present.map(|(gone, _)| Change::Remove(gone.clone())));
    changes.append(&mut updates);
    changes.append(&mut added);
    changes
}

/// The present holder as long as it runs and may hold the job; else the first candidate that runs; else the present
/// one or the first, stopped as they are, so that a container that comes back finds its job.
fn place(present: Option<&Holder>, candidates: &[Candidate]) -> Option<Holder> {
    let present = present.and_then(|holder| candidates.iter().find(|it| it.id == holder.id));
    let chosen = present
        .filter(|it| it.running)
        .or_else(|| candidates.iter().find(|it| it.running))
        .or_else(|| candidates.iter().find(|it| it.passing))
        .or(present)
        .or_else(|| candidates.first())?;
    Some(holder(chosen))
}

/// All that run or may in a moment, where the job is to run in each of them.
fn replicas(spec: &JobSpec, candidates: &[Candidate]) -> Vec<Holder> {
    match &spec.work {
        Work::Exec(exec) if exec.replica == Replica::All => {
            candidates.iter().filter(|it| it.running || it.passing).map(holder).collect()
        }
        _ => Vec::new(),
    }
}

fn holder(candidate: &Candidate) -> Holder {
    let Candidate { id, name, running, passing } = candidate.clone();
    Holder { id, name, running, passing }
}

impl Catalog {
    /// Takes one step.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Remove(id) => {
                self.jobs.remove(id);
            }
            Change::Update { spec, holder, replicas, .. } | Change::Add { spec, holder, replicas } => {
                let (holder, replicas) = (holder.clone(), replicas.clone());
                let entry = Entry { spec: spec.clone(), holder, replicas };
                self.jobs.insert(spec.id.clone(), entry);
            }
            Change::Place { job, holder, replicas, .. } => {
                if let Some(entry) = self.jobs.get_mut(job) {
                    entry.holder.clone_from(holder);
                    entry.replicas.clone_from(replicas);
                }
            }
        }
    }

    /// A job that is.
    pub fn get(&self, id: &JobId) -> Option<&Entry> {
        self.jobs.get(id)
    }

    /// Every job that is, by identity.
    pub fn iter(&self) -> impl Iterator<Item = (&JobId, &Entry)> {
        self.jobs.iter()
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        container::ContainerId,
        job::{Environment, ExecSpec, Work},
        schedule::{Schedule, Zone},
    };

    fn spec(id: &str, schedule: &str, command: &str) -> Arc<JobSpec> {
        Arc::new(JobSpec::new(
            JobId::plain(id),
            Schedule::parse(schedule, &Zone::utc()).unwrap(),
            Work::Exec(Box::new(ExecSpec {
                container: None,
                argv: vec![command.to_owned()],
                user: None,
                workdir: None,
                environment: Environment::default(),
                env_files: Vec::new(),
                privileged: false,
                tty: false,
                replica: Replica::One,
            })),
        ))
    }

    fn candidate(id: u8, running: bool) -> Candidate {
        let (id, name) = (ContainerId(format!("c{id}").into()), format!("c{id}").into());
        Candidate { id, name, running, passing: false }
    }

    fn any_desired() -> impl Strategy<Value = Desired> {
        let job =
            ("[a-d]", "@hourly|@daily", "x|y", prop::collection::btree_map(0u8..4, any::<bool>(), 0..4));
        prop::collection::vec(job, 0..5).prop_map(|jobs| {
            let jobs = jobs.into_iter().map(|(id, schedule, command, containers)| {
                let candidates = containers.into_iter().map(|(id, running)| candidate(id, running)).collect();
                (
                    JobId::plain(&id),
                    DesiredJob { spec: spec(&id, &schedule, &command), candidates, nowhere: None },
                )
            });
            Desired { jobs: jobs.collect(), ..Desired::default() }
        })
    }

    fn applied(mut catalog: Catalog, desired: &Desired) -> Catalog {
        for change in plan(&catalog, desired) {
            catalog.apply(&change);
        }
        catalog
    }

    proptest! {
        #[test]
        fn a_plan_for_what_is_already_there_is_empty(before in any_desired(), desired in any_desired()) {
            let catalog = applied(applied(Catalog::default(), &before), &desired);
            prop_assert_eq!(plan(&catalog, &desired), vec![]);
        }

        #[test]
        fn applying_a_plan_reaches_what_is_desired(before in any_desired(), desired in any_desired()) {
            let catalog = applied(applied(Catalog::default(), &before), &desired);
            prop_assert_eq!(catalog.len(), desired.jobs.len());
            for (id, job) in &desired.jobs {
                let entry = catalog.get(id).unwrap();
                prop_assert_eq!(&entry.spec, &job.spec);
                let runs = job.candidates.iter().any(|it| it.running);
                prop_assert_eq!(entry.holder.as_ref().is_some_and(|it| it.running), runs);
                let known = entry.holder.as_ref().is_none_or(|it| job.candidates.iter().any(|c| c.id == it.id));
                prop_assert!(known);
            }
        }

        #[test]
        fn removals_come_first(before in any_desired(), desired in any_desired()) {
            let changes = plan(&applied(Catalog::default(), &before), &desired);
            let first_other = changes.iter().position(|it| !matches!(it, Change::Remove(_))).unwrap_or(changes.len());
            prop_assert!(changes[first_other..].iter().all(|it| !matches!(it, Change::Remove(_))));
        }
    }

    fn desired(candidates: Vec<Candidate>) -> Desired {
        let job = DesiredJob { spec: spec("a", "@daily", "x"), candidates, nowhere: None };
        Desired { jobs: [(JobId::plain("a"), job)].into(), ..Desired::default() }
    }

    #[test]
    fn a_job_stays_with_its_container_until_that_one_stops() {
        let catalog = applied(Catalog::default(), &desired(vec![candidate(2, true)]));
        let more = desired(vec![candidate(1, true), candidate(2, true)]);
        assert_eq!(plan(&catalog, &more), [], "a further replica changes nothing");

        let stopped = desired(vec![candidate(1, true), candidate(2, false)]);
        let [Change::Place { holder: Some(holder), moved: true, .. }] = &plan(&catalog, &stopped)[..] else {
            panic!("it must move");
        };
        assert_eq!(&*holder.name, "c1");
    }

    #[test]
    fn a_job_of_each_replica_knows_all_that_run_and_only_it_does() {
        let of_all = |candidates: Vec<Candidate>| {
            let mut all = desired(candidates);
            let job = all.jobs.get_mut(&JobId::plain("a")).unwrap();
            let Work::Exec(exec) = &job.spec.work else { panic!("exec") };
            let work = Work::Exec(Box::new(ExecSpec { replica: Replica::All, ..ExecSpec::clone(exec) }));
            job.spec = Arc::new(JobSpec { work, ..JobSpec::clone(&job.spec) });
            all
        };
        let names = |catalog: &Catalog| -> Vec<String> {
            let entry = catalog.get(&JobId::plain("a")).unwrap();
            entry.replicas.iter().map(|it| it.name.to_string()).collect()
        };
        let both = vec![candidate(1, true), candidate(2, true), candidate(3, false)];
        let catalog = applied(Catalog::default(), &desired(both.clone()));
        assert_eq!(names(&catalog), [""; 0]);
        let changes = plan(&catalog, &of_all(both.clone()));
        assert!(matches!(&changes[..], [Change::Update { changed, .. }] if *changed == ["replica"]));
        let catalog = applied(catalog, &of_all(both));
        assert_eq!(names(&catalog), ["c1", "c2"]);

        let third = of_all(vec![candidate(1, true), candidate(2, true), candidate(3, true)]);
        let changes = plan(&catalog, &third);
        assert!(matches!(&changes[..], [Change::Place { moved: false, .. }]), "it is listed as before");
        assert_eq!(names(&applied(catalog, &third)), ["c1", "c2", "c3"]);
    }

    #[test]
    fn a_job_whose_only_container_stopped_waits_for_it() {
        let catalog = applied(Catalog::default(), &desired(vec![candidate(1, true)]));
        let stopped = desired(vec![candidate(1, false)]);
        let changes = plan(&catalog, &stopped);
        assert!(
            matches!(&changes[..], [Change::Place { moved: false, holder: Some(it), .. }] if !it.running)
        );
    }
}
