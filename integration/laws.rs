//! What holds for everything that can be written: the order of what has no order never matters, a plan for what is there
//! is empty, and a comma is a comma.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use watchbell::{
    model::{
        container::{Container, ContainerId, ContainerState, Inventory},
        job::{JobSpec, Work},
        name::JobId,
        swarm::Services,
    },
    plan::{Catalog, plan},
    settings::{
        env,
        global::layers::Upper,
        ini,
        resolve::{Desired, Sources, View, resolve},
    },
};

fn now() -> Timestamp {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Files, labels of the container `web`, and variables, through the same steps as in the agent.
fn settle<'a>(
    files: &[String],
    labels: &[(String, String)],
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Desired {
    let mut file = ini::Ini::default();
    for (number, text) in files.iter().enumerate() {
        file.over(ini::parse(&format!("{number}.ini"), text, &|_| None));
    }
    let web = Container {
        id: ContainerId("0".repeat(64).into()),
        name: "web".into(),
        state: ContainerState::Running,
        healthy: None,
        created: 0,
        labels: labels.iter().cloned().collect(),
    };
    let inventory = Inventory { containers: vec![web], own: None, services: Services::none() };
    let sources = Sources::new(file, Upper::default(), env::from_environment(variables));
    resolve(&sources, View::Observed(&inventory), now())
}

/// Jobs in words, and what is told of them.
type Meaning<'a> = (BTreeMap<&'a JobId, String>, Vec<(Option<&'a JobId>, &'a str)>);

/// Everything but the lines, which the order of the lines decides.
fn without_places(desired: &Desired) -> Meaning<'_> {
    let words = |spec: &JobSpec| {
        let JobSpec { id: _, schedule, work, origin: _, .. } = spec;
        let rest = spec.parameters();
        format!("{} {work:?} {rest:?}", schedule.text())
    };
    let jobs = desired.jobs.iter().map(|(id, job)| (id, words(&job.spec))).collect();
    let mut told: Vec<_> =
        desired.diagnostics.iter().map(|it| (it.job.as_ref(), it.reason.as_str())).collect();
    told.sort_unstable();
    (jobs, told)
}

const KEYS: [(&str, &[&str]); 10] = [
    ("schedule", &["@daily", "@dayly", "0 4 * * *"]),
    ("command", &["work", "'open", "a | b"]),
    ("timeout", &["1m", "soon", "none"]),
    ("environment", &["[\"A=1\", \"B=2\"]", "A=x,y", "nonsense"]),
    ("user", &["app", "\"app\"", ""]),
    ("container", &["web", "db"]),
    ("shedule", &["@daily"]),
    ("retries", &["3", "-1"]),
    ("success-codes", &["0,1", "[1]", "x"]),
    ("depends-on", &["c", "d, web.c"]),
];

/// Some of the keys with a value each.
fn any_lines() -> impl Strategy<Value = Vec<(String, String)>> {
    let line = prop::sample::select(KEYS.to_vec()).prop_flat_map(|(key, values)| {
        prop::sample::select(values).prop_map(move |value| (key.to_owned(), value.to_owned()))
    });
    let map =
        prop::collection::vec(line, 0..7).prop_map(|lines| lines.into_iter().collect::<BTreeMap<_, _>>());
    map.prop_map(|lines| lines.into_iter().collect())
}

/// The same twice, the second time in any order.
fn in_two_orders<T: Clone + std::fmt::Debug + 'static>(
    any: impl Strategy<Value = Vec<T>>,
) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    any.prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
}

type Section = (String, Vec<(String, String)>);

fn text(sections: &[Section]) -> String {
    let line = |(key, value): &(String, String)| format!("{key} = {value}\n");
    let section =
        |(header, lines): &Section| format!("[{header}]\n{}", lines.iter().map(line).collect::<String>());
    sections.iter().map(section).collect()
}

/// Sections of one file, and the same with sections and keys in another order.
fn any_file() -> impl Strategy<Value = (String, String)> {
    let headers =
        ["job-exec \"a\"", "job-local \"b\"", "job-defaults", "job-defaults-exec", "job-exec \"web.c\""];
    let lines = prop::collection::vec(in_two_orders(any_lines()), headers.len());
    lines.prop_flat_map(move |all| {
        let given: Vec<Section> = headers
            .iter()
            .zip(&all)
            .map(|(header, (lines, _))| ((*header).to_owned(), lines.clone()))
            .collect();
        let other: Vec<Section> = headers
            .iter()
            .zip(&all)
            .map(|(header, (_, lines))| ((*header).to_owned(), lines.clone()))
            .collect();
        (Just(text(&given)), Just(other).prop_shuffle().prop_map(|sections| text(&sections)))
    })
}

fn any_labels() -> impl Strategy<Value = Vec<(String, String)>> {
    let label = |job: &'static str| {
        any_lines().prop_map(move |lines| {
            lines.into_iter().map(|(key, value)| (format!("watchbell.job-exec.{job}.{key}"), value)).collect()
        })
    };
    (label("c"), label("d"), any::<bool>()).prop_map(|(mut all, more, on): (Vec<_>, Vec<_>, _)| {
        all.extend(more);
        all.push(("watchbell.enabled".to_owned(), on.to_string()));
        all
    })
}

fn any_variables() -> impl Strategy<Value = Vec<(String, String)>> {
    let job = prop::sample::select(vec!["A", "B", "WEB_C", "WEB_D", "NOBODY"]);
    let map = prop::collection::btree_map(job, any_lines(), 0..4);
    map.prop_map(|jobs| {
        let variables = jobs.into_iter().flat_map(|(job, lines)| {
            lines
                .into_iter()
                .map(move |(key, value)| (format!("WATCHBELL_JOB_{job}_{}", key.to_uppercase()), value))
        });
        variables.collect()
    })
}

fn pairs(variables: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

proptest! {
    #[test]
    fn the_order_of_keys_sections_labels_and_variables_never_matters(
        (file, other_file) in any_file(),
        (labels, other_labels) in in_two_orders(any_labels()),
        (variables, other_variables) in in_two_orders(any_variables()),
    ) {
        let given = settle(&[file], &labels, pairs(&variables));
        let other = settle(&[other_file], &other_labels, pairs(&other_variables));
        prop_assert_eq!(without_places(&given), without_places(&other));
    }

    #[test]
    fn a_plan_for_the_settings_that_are_in_force_is_empty(
        (file, _) in any_file(),
        labels in any_labels(),
        variables in any_variables(),
    ) {
        let desired = settle(&[file], &labels, pairs(&variables));
        let mut catalog = Catalog::default();
        for change in plan(&catalog, &desired) {
            catalog.apply(&change);
        }
        prop_assert_eq!(catalog.len(), desired.jobs.len());
        prop_assert!(plan(&catalog, &desired).is_empty());
    }
}

/// Mistake 41.
#[test]
fn a_comma_never_splits_a_value() {
    let label = |key: &str, value: &str| (format!("watchbell.job-exec.c.{key}"), value.to_owned());
    let labels = [
        ("watchbell.enabled".to_owned(), "true".to_owned()),
        label("schedule", "0,30 4 * * MON,TUE"),
        label("command", "tar --exclude=a,b -cf x,y.tar"),
        label("environment", "LIST=a,b\nMORE=c,d"),
    ];
    let file = "[job-local \"b\"]\nschedule = 0,30 4 * * *\ncommand = [\"a,b\"]\nenvironment = LIST=a,b\n";
    let variables = [("WATCHBELL_JOB_B_ENVIRONMENT", "LIST=c,d")];
    let desired = settle(&[file.to_owned()], &labels, variables);
    assert_eq!(desired.diagnostics, []);
    let exec = &desired.jobs[&JobId::plain("web.c")].spec;
    let Work::Exec(work) = &exec.work else { panic!("{}", exec.kind()) };
    assert_eq!(work.argv, ["tar", "--exclude=a,b", "-cf", "x,y.tar"]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(work.environment.0, [pair("LIST", "a,b"), pair("MORE", "c,d")]);
    let local = &desired.jobs[&JobId::plain("b")].spec;
    let Work::Local(work) = &local.work else { panic!("{}", local.kind()) };
    assert_eq!(work.argv, ["a,b"]);
    assert_eq!(work.environment.0, [pair("LIST", "c,d")]);
}
