//! Sessions and passwords.

use std::collections::{BTreeMap, BTreeSet};

use super::items::{World, text};

/// N2: once a new password is stored, no older session is valid. In the stream the new hash comes before the session
/// that is opened with it.
pub fn outlive_a_password(world: &World<'_>) -> Vec<String> {
    let mut open: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut doomed = BTreeSet::new();
    for change in &world.evidence.stream {
        let listed = change.pk.strip_prefix("USER#").zip(change.sk.strip_prefix("SESSION#"));
        if let Some((uid, session)) = listed {
            let sessions = open.entry(uid).or_default();
            match change.new {
                Some(_) => sessions.insert(session),
                None => sessions.remove(session),
            };
        }
        if let (true, Some(old), Some(new)) = (change.sk == "CREDENTIAL", &change.old, &change.new)
            && old["passwordHash"] != new["passwordHash"]
        {
            doomed.extend(open.get(text(new, "uid")).into_iter().flatten().copied());
        }
    }
    let stands = world.evidence.table.iter().filter_map(|item| text(item, "PK").strip_prefix("SESSION#"));
    stands.filter(|id| doomed.contains(id)).map(|id| format!("session {id} is older than the password")).collect()
}
