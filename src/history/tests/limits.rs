//! How much is kept: so many runs, for so long, and within the size of the file.

use super::*;
use crate::history::retain::Left;

#[test]
fn of_each_job_so_many_runs_are_kept_and_the_newest_always() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    write(&mut store, vec![Item::Begins(admitted("a", 0)), succeeded("b", 1)]);
    for n in 2..50 {
        write(&mut store, vec![ended("a", n, Some(5), None)]);
    }
    assert_eq!(all(folder.path()), [49, 48, 47, 46, 45, 1, 0], "what has not ended stays, and others' runs");
    assert_eq!(reader(folder.path()).counts(Some(&JobId::plain("a"))).unwrap().ended, 5);
    // `none` keeps the newest.
    write(&mut store, vec![ended("a", 50, Some(0), None)]);
    assert_eq!(all(folder.path()), [50, 1, 0]);
    // A job that nobody defines when its run ends goes on with what it said last.
    write(&mut store, vec![Item::Ended(record("a", 51, Outcome::Succeeded { exit_code: Some(0) }), None)]);
    assert_eq!(all(folder.path()), [51, 1, 0]);
}

#[test]
fn runs_grow_old_also_where_nothing_runs_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    for n in 0..100 {
        write(&mut store, vec![ended("a", n, None, Some(3600))]);
    }
    assert_eq!(all(folder.path()).len(), 61, "what is within the hour");
    for n in 100..400 {
        write(&mut store, vec![succeeded(&format!("once-{n}"), n)]);
    }
    let month = at(100 * 60 + 31 * 86_400);
    // A few jobs at a time, and then from the beginning again.
    assert_eq!((store.age(month).unwrap(), store.age(month).unwrap()), (Left::More, Left::Nothing));
    assert_eq!(all(folder.path()).len(), 301, "the newest of each job stays");
    // A job that was forgotten goes with its last run.
    write(&mut store, vec![]);
    store.write(&remembered([(JobId::plain("once-100"), None)].into())).unwrap();
    store.age(month).unwrap();
    assert!(!all(folder.path()).contains(&100));
    let rows: u32 = store
        .told(|it| it.query_row("SELECT count(*) FROM jobs WHERE job = 'once-100'", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn a_file_that_is_too_large_loses_its_oldest_runs_then_output_and_becomes_small_again() {
    let folder = tempfile::tempdir().unwrap();
    let most = 1 << 20;
    let mut store = Store::open(folder.path(), most).unwrap();
    let largest = |store: &mut Store| {
        let mut steps = 0;
        while store.shrink().unwrap() == Left::More {
            steps += 1;
            assert!(steps < 1_000, "it comes to an end");
        }
        store.checkpoint().unwrap();
        std::fs::metadata(folder.path().join(store::FILE)).unwrap().len()
    };
    let put = |store: &mut Store, job: &str, n: u32| {
        let output = (0..4).map(|it| chunk(n, it, noise(16_000, n.into()))).collect();
        let items = vec![Item::Begins(admitted(job, n)), succeeded(job, n)];
        store.write(&Batch { items, output, ..Batch::default() }).unwrap();
    };
    put(&mut store, "rare", 0);
    for n in 1..100 {
        put(&mut store, "often", n);
        let size = largest(&mut store);
        assert!(size <= most + (256 << 12), "{size} after {n}");
    }
    let left = all(folder.path());
    assert!(left.len() >= 10 && left[..10] == [99, 98, 97, 96, 95, 94, 93, 92, 91, 90], "{left:?}");
    assert_eq!(left.last(), Some(&0), "the newest of the job that runs rarely");
    assert!(!reader(folder.path()).output(&id(0), Stream::Stdout, 0, u64::MAX).unwrap().is_empty());
    // Many jobs that ran once: every run stays, and the oldest give up their output.
    for n in 100..200 {
        put(&mut store, &format!("once-{n}"), n);
        largest(&mut store);
    }
    let size = largest(&mut store);
    assert!(size <= most + (256 << 12), "{size}");
    assert_eq!(all(folder.path()).len(), 102);
    let of = |n| reader(folder.path()).output(&id(n), Stream::Stdout, 0, u64::MAX).unwrap().len();
    assert_eq!((of(0), of(199)), (0, 4));
    // What has not ended is not touched, and what more of it comes is not kept.
    for n in 200..300 {
        let output = (0..4).map(|it| chunk(n, it, noise(16_000, n.into()))).collect();
        let items = vec![Item::Begins(admitted("long", n))];
        store.write(&Batch { items, output, ..Batch::default() }).unwrap();
        largest(&mut store);
    }
    let size = largest(&mut store);
    assert!(size <= most + (256 << 12), "{size}");
    assert_eq!((all(folder.path()).len(), of(299)), (202, 0));
    // And kept again, once there is room.
    write(&mut store, (200..300).map(|n| ended("long", n, Some(1), None)).collect());
    store.age(at(0)).unwrap();
    largest(&mut store);
    put(&mut store, "often", 300);
    assert_eq!(of(300), 4);
}
