use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::run::{Run, serves};

/// When a first start is killed.
#[derive(Debug, Clone)]
enum Moment {
    After(Duration),
    /// As soon as this file or folder exists.
    At(PathBuf),
    /// As soon as the S3 has this many files beside its objects; most of them come while the stream is delivered, when
    /// the shop is open already.
    Kept(usize),
}

/// The interval of looking at the folder.
const LOOK: Duration = Duration::from_micros(100);

#[test]
fn a_first_start_that_is_killed_at_any_moment_is_repeated_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (length, appear) = measure(&folder.path().join("measured"));
    println!("a first start takes {} ms and makes {} files and folders", length.as_millis(), appear.len());
    const STEPS: u32 = 4;
    let after = (0..=STEPS).map(|step| Moment::After(length * step / STEPS));
    let at: Vec<Moment> = appear.into_iter().map(Moment::At).collect();
    let kept = (10..120).step_by(40).map(Moment::Kept);
    let killed = after.chain(at.clone()).chain(kept).map(|moment| (moment, Signal::KILL));
    let stopped = at.into_iter().step_by(3).zip([Signal::INT, Signal::TERM].into_iter().cycle());
    let cases: Vec<_> = killed.chain(stopped).enumerate().collect();
    assert!(cases.len() > 18, "{cases:?}");
    let waiting = Mutex::new(cases.into_iter());
    let wrong = Mutex::new(Vec::new());

    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some((number, (moment, signal))) = waiting.lock().unwrap().next() else { return };
                    let data = folder.path().join(format!("shop-{number}"));
                    if let Err(error) = interrupted(&data, &moment, signal) {
                        wrong.lock().unwrap().push(format!("{signal:?} {moment:?}: {error}"));
                    }
                    fs::remove_dir_all(&data).unwrap();
                }
            });
        }
    });

    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Kills a first start, and starts again.
fn interrupted(data: &Path, moment: &Moment, signal: Signal) -> Result<(), String> {
    let run = Run::begin(data);
    match moment {
        Moment::After(time) => drop(run.starts_for(*time)),
        Moment::Kept(count) => while fs::read_dir(data.join("s3")).map_or(0, Iterator::count) < *count {},
        Moment::At(path) => while !data.join(path).exists() && run.starts_for(LOOK) {},
    }
    let status = run.stop(signal);
    if signal != Signal::KILL && !status.success() {
        return Err(format!("it did not stop cleanly: {status}"));
    }
    serves(data)
}

/// How long a first start takes, and what it creates, in that order. Of the many objects of the S3 only the buckets.
fn measure(data: &Path) -> (Duration, Vec<PathBuf>) {
    let (begun, run) = (Instant::now(), Run::begin(data));
    let mut appeared: Vec<PathBuf> = Vec::new();
    while run.starts_for(LOOK) {
        look(data, data, &mut appeared);
    }
    let length = begun.elapsed();
    assert!(run.stop(Signal::TERM).success());
    (length, appeared)
}

fn look(data: &Path, folder: &Path, appeared: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.strip_prefix(data).unwrap().to_owned();
        let is_object = name.starts_with("s3") && name.components().count() > 2;
        let is_beside = name.parent() == Some(Path::new("s3")) && !path.is_dir();
        if is_object || is_beside {
            continue;
        }
        if !appeared.contains(&name) {
            appeared.push(name);
        }
        look(data, &path, appeared);
    }
}
