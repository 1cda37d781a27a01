//! The generation of the index that this environment answers from.
//!
//! A newer one is looked for every few seconds, beside the request that finds that it is time, and takes the place of the
//! one before once it is open: no request waits for it, unless the environment was frozen for so long that its answer
//! would be old.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use domain::{ProductId, Timestamp};
use generations::{Generation, GenerationError, GenerationFolder, Generations};
use jiff::SignedDuration;
use search::{InvalidRules, Language, OpenError, Reader, Rules, schema_hash};
use table::{Bucket, SearchManifest, SearchState, Table, error_chain};
use tokio::sync::Mutex;

/// When a newer generation is looked for.
#[derive(Debug, Clone, Copy)]
pub struct IndexSettings {
    /// After this long, beside a request.
    pub look_after: SignedDuration,
    /// After this long a request waits for it, because the environment was frozen.
    pub wait_after: SignedDuration,
    /// For at most this long.
    pub wait: Duration,
    /// A larger index is in files of a temporary folder, mapped into memory.
    pub in_memory_bytes: u64,
}

/// The largest index that is in memory.
const IN_MEMORY_BYTES: u64 = 50_000_000;

impl IndexSettings {
    pub const LAMBDA: Self = Self {
        look_after: SignedDuration::from_secs(5),
        wait_after: SignedDuration::from_secs(30),
        wait: Duration::from_millis(1_000),
        in_memory_bytes: IN_MEMORY_BYTES,
    };

    /// With each request, which waits for it: where the table costs nothing.
    pub const ALWAYS: Self = Self {
        look_after: SignedDuration::ZERO,
        wait_after: SignedDuration::ZERO,
        wait: Duration::from_secs(10),
        in_memory_bytes: IN_MEMORY_BYTES,
    };
}

/// A generation that is open, with what else a search has to know.
#[derive(Clone)]
pub struct Open {
    pub manifest: SearchManifest,
    pub reader: Arc<Reader>,
    pub rules: Arc<Rules>,
    rules_version: u64,
    /// Deleted products that may be in this generation: when they were created.
    gone: BTreeMap<ProductId, Timestamp>,
    /// Of which the next generation has most.
    files: Arc<OpenFiles>,
}

/// The files of a generation that is open.
enum OpenFiles {
    InMemory(Generation),
    InFolder(GenerationFolder),
}

impl Open {
    /// Whether a product that is in the index was deleted since.
    pub fn is_gone(&self, id: &ProductId, created_at: Timestamp) -> bool {
        self.gone.get(id) == Some(&created_at)
    }
}

#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Generation(#[from] GenerationError),
    #[error("the index cannot be opened")]
    Open(#[from] OpenError),
    #[error("the rules cannot be read")]
    Rules(#[from] InvalidRules),
    #[error("the index was written by another version of this program: its schema is {found}, not {expected}")]
    OtherSchema { found: String, expected: String },
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Index(Arc<Shared>);

struct Shared {
    table: Table,
    generations: Generations,
    language: Language,
    schema: String,
    settings: IndexSettings,
    now: RwLock<Now>,
    /// Held while a newer generation is looked for.
    looking: Mutex<()>,
}

#[derive(Clone, Default)]
struct Now {
    open: Option<Arc<Open>>,
    looked_at: Option<Timestamp>,
}

impl Index {
    pub fn new(table: Table, bucket: Bucket, language: Language, settings: IndexSettings) -> Self {
        let shared = Shared {
            table,
            generations: Generations::new(bucket),
            language,
            schema: schema_hash(language),
            settings,
            now: RwLock::default(),
            looking: Mutex::default(),
        };
        Self(Arc::new(shared))
    }

    /// Opens the generation while the function starts. If that fails, the first request tries it again.
    pub async fn open_early(&self, now: Timestamp) {
        self.look(now).await;
    }

    /// The generation to answer from; `None` if there is none yet.
    pub async fn open(&self, now: Timestamp) -> Option<Arc<Open>> {
        let Now { open, looked_at } = self.now();
        let settings = self.0.settings;
        let age = looked_at.map_or(SignedDuration::MAX, |at| now.duration_since(at));
        if age < settings.look_after {
            return open;
        }
        let fresh_enough = open.is_some() && age < settings.wait_after;
        if !fresh_enough && tokio::time::timeout(settings.wait, self.look(now)).await.is_ok() {
            return self.now().open;
        }
        // Beside this request, and the next ones if they come before it is open.
        if self.0.looking.try_lock().is_ok() {
            let index = self.clone();
            tokio::spawn(async move { index.look(now).await });
        }
        open
    }

    fn now(&self) -> Now {
        self.0.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks for a newer generation, and opens it. A failure leaves the one before in place until the next look.
    async fn look(&self, now: Timestamp) {
        let _alone = self.0.looking.lock().await;
        let Now { open, looked_at } = self.now();
        if looked_at.is_some_and(|at| now.duration_since(at) < self.0.settings.look_after) {
            // Another request has looked meanwhile.
            return;
        }
        let generation = open.as_ref().map_or(0, |open| open.manifest.generation);
        let next = match self.0.table.search_state_get().await {
            Err(error) => {
                tracing::error!(generation, error = error_chain(&error), "the search's state cannot be read");
                open
            }
            Ok(state) => {
                let gone = state.gone.iter().map(|gone| (gone.id.clone(), gone.created_at)).collect();
                match self.next(state, open.as_deref()).await {
                    Ok(next) => next.map(|next| Arc::new(Open { gone, ..next })).or(open),
                    Err(error) => {
                        tracing::error!(
                            generation,
                            error = error_chain(&error),
                            "a newer search index cannot be opened"
                        );
                        // What was deleted is hidden all the same.
                        open.map(|open| Arc::new(Open { gone, ..Open::clone(&open) }))
                    }
                }
            }
        };
        *self.0.now.write().unwrap_or_else(PoisonError::into_inner) = Now { open: next, looked_at: Some(now) };
    }

    async fn load(
        &self,
        manifest: &SearchManifest,
        known: Option<&OpenFiles>,
    ) -> Result<(OpenFiles, Reader), LookError> {
        let (generations, list) = (&self.0.generations, manifest.list());
        if manifest.bytes <= self.0.settings.in_memory_bytes {
            let none = Generation::default();
            let known = match known {
                Some(OpenFiles::InMemory(known)) => known,
                Some(OpenFiles::InFolder(_)) | None => &none,
            };
            let generation = generations.load(list, known).await?;
            let reader = Reader::in_memory(generation.files.clone())?;
            return Ok((OpenFiles::InMemory(generation), reader));
        }
        let known = match known {
            Some(OpenFiles::InFolder(known)) => Some(known),
            Some(OpenFiles::InMemory(_)) | None => None,
        };
        let folder = std::env::temp_dir().join(format!("search-{}", uuid::Uuid::now_v7()));
        let generation = generations.load_into(list, folder, known).await?;
        let reader = Reader::in_folder(generation.path())?;
        Ok((OpenFiles::InFolder(generation), reader))
    }

    /// What has to be answered from now on, but for what was deleted, if it is another than `open`.
    async fn next(&self, state: SearchState, open: Option<&Open>) -> Result<Option<Open>, LookError> {
        let SearchState { manifest, rules, gone: _, rebuild: _ } = state;
        let Some(manifest) = manifest else { return Ok(None) };
        if manifest.schema != self.0.schema {
            return Err(LookError::OtherSchema { found: manifest.schema, expected: self.0.schema.clone() });
        }
        let rules_version = rules.as_ref().map_or(0, |rules| rules.version);
        let rules = match (rules, open) {
            (_, Some(open)) if open.rules_version == rules_version => open.rules.clone(),
            (Some(rules), _) => {
                let text = self.0.generations.load_rules(&rules.s3_key).await?;
                Arc::new(Rules::parse(text.as_bytes(), self.0.language)?)
            }
            (None, _) => Arc::new(Rules::starter(self.0.language)),
        };
        let (files, reader) = match open {
            Some(open) if open.manifest.generation == manifest.generation => (open.files.clone(), open.reader.clone()),
            _ => {
                let (files, reader) = self.load(&manifest, open.map(|open| &*open.files)).await?;
                (Arc::new(files), Arc::new(reader))
            }
        };
        Ok(Some(Open { manifest, reader, rules, rules_version, gone: BTreeMap::new(), files }))
    }
}
