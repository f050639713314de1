//! Making the city: every file is one job, jobs share nothing, so threads change the time and nothing else.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
};

use yihe_definitions::{Format, Pack, Registry};

use crate::{
    CityError,
    fault::{Fault, RESENT},
    plan::{Size, sizes},
    random::Stream,
    row::{DaySpelling, Row},
    sink::{self, Server, Sink},
    table::Table,
    truth::{self, Ledger, PART_ENTITIES, Part, Truth},
    world::World,
};

/// Scale of the demonstration when nobody names one: about 614,000 records.
pub const DEFAULT_SCALE: f64 = 0.001;
/// Smallest scale; below it the divisions alone are more than the city.
pub const SCALE_MIN: f64 = 0.000_1;
/// Largest scale: identity numbers of one day of birth run out somewhat above it.
pub const SCALE_MAX: f64 = 1.0;
/// Most threads.
pub const THREADS_MAX: usize = 2;
/// Records after which a job tells how far it is.
const PROGRESS_ROWS: u64 = 65_536;

/// What city to make, and where.
#[derive(Clone)]
pub struct CityOptions {
    /// Size, 1.0 being a city of eleven million people and 614 million records;
    /// [`SCALE_MIN`] to [`SCALE_MAX`].
    pub scale: f64,
    /// Everything follows from it.
    pub seed: u64,
    /// Folder for `inbox/` and `truth/`. What stands there under the same names is overwritten.
    pub out: PathBuf,
    /// Address of a PostgreSQL server for the datasets of that format; without it they come as CSV.
    pub postgres: Option<String>,
    /// Address of a MariaDB or `MySQL` server, likewise.
    pub mariadb: Option<String>,
    /// 1 to [`THREADS_MAX`]; the city is the same.
    pub threads: usize,
}

impl std::fmt::Debug for CityOptions {
    /// Addresses hold passwords.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hidden = |address: &Option<String>| address.as_ref().map(|_| "***");
        formatter
            .debug_struct("CityOptions")
            .field("scale", &self.scale)
            .field("seed", &self.seed)
            .field("out", &self.out)
            .field("postgres", &hidden(&self.postgres))
            .field("mariadb", &hidden(&self.mariadb))
            .field("threads", &self.threads)
            .finish()
    }
}

/// How far the making is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Dataset or registry that was last worked on.
    pub name: String,
    /// Records written so far.
    pub rows: u64,
    /// Records there will be, near enough for a bar.
    pub rows_total: u64,
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct CityReport {
    /// The reckoning, also in `truth/truth.json`.
    pub truth: Truth,
    /// Records delivered in all datasets.
    pub rows: u64,
    /// Files and tables delivered, files sent again among them.
    pub files: usize,
}

/// Records that each dataset of the generator has at a scale, before any is delivered twice.
///
/// # Errors
/// A scale out of bounds, or a pack without divisions.
pub fn expected_rows(pack: &Pack, scale: f64, seed: u64) -> Result<BTreeMap<String, u64>, CityError> {
    check_scale(scale)?;
    let world = World::new(pack, scale, seed)?;
    let sizes = sizes(&world, scale);
    Ok(sizes.into_iter().map(|(dataset, size)| (dataset.to_owned(), size.rows)).collect())
}

fn check_scale(scale: f64) -> Result<(), CityError> {
    if (SCALE_MIN..=SCALE_MAX).contains(&scale) { Ok(()) } else { Err(CityError::Scale { found: scale }) }
}

/// One thing to make.
#[derive(Debug, Clone, Copy)]
enum Job<'p> {
    /// The records `first..last` of a dataset.
    File { dataset: &'p str, part: u64, first: u64, last: u64 },
    /// The later file with the corrections of a dataset.
    Corrections { dataset: &'p str, part: u64 },
    /// The expected golden records of the entities `first..last`.
    Registry { registry: &'p Registry, part: u64, first: u64, last: u64 },
}

impl Job<'_> {
    /// Roughly how long it takes, in rows written; the longest begin first.
    const fn cost(&self) -> u64 {
        match self {
            Self::File { first, last, .. } => *last - *first,
            Self::Corrections { .. } => PROGRESS_ROWS,
            Self::Registry { first, last, .. } => (*last - *first) * 4,
        }
    }
}

enum News {
    Rows(String, u64),
    Done(usize, Result<Part, CityError>),
}

/// Makes the city: the departments' extracts under `inbox/`, the truth about them under `truth/`.
///
/// `progress` is called on the calling thread. The same pack, scale and seed make the same bytes, whatever
/// the number of threads. Memory does not grow with the scale.
///
/// # Errors
/// Options out of bounds, a dataset, column or rule of the pack that the generator was not taught, or a file
/// or server that cannot be written. Nothing is cleaned up then: making the city again overwrites it.
pub fn generate(
    pack: &Pack,
    options: &CityOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<CityReport, CityError> {
    check_scale(options.scale)?;
    if !(1..=THREADS_MAX).contains(&options.threads) {
        return Err(CityError::Threads { found: options.threads });
    }
    let world = World::new(pack, options.scale, options.seed)?;
    let sizes = sizes(&world, options.scale);
    let mut tables = BTreeMap::new();
    for dataset in &pack.datasets {
        let size = *sizes.get(dataset.id.as_str()).ok_or_else(|| CityError::Dataset { dataset: dataset.id.clone() })?;
        tables.insert(dataset.id.as_str(), Table::new(pack, dataset, size, &world)?);
    }
    let maker = Maker { pack, options, world: &world, tables: &tables };
    maker.make_folders()?;
    let jobs = maker.jobs();
    let rows_total = tables.values().map(|table| table.size.rows).sum();
    let parts = maker.run(&jobs, rows_total, progress)?;

    let mut truth = Truth { seed: options.seed, scale: options.scale, ..Truth::default() };
    for part in parts {
        truth.absorb(part);
    }
    for registry in &pack.registries {
        let unusable = registry.members.iter().filter_map(|member| {
            let dataset = truth.datasets.get(&member.dataset)?;
            Some((member.dataset.clone(), dataset.unusable_keys))
        });
        let unusable = unusable.collect();
        if let Some(whole) = truth.registries.get_mut(&registry.id) {
            whole.unusable_keys = unusable;
        }
    }
    let path = options.out.join("truth").join("truth.json");
    let text = serde_json::to_vec_pretty(&truth).map_err(|source| CityError::Truth { path: path.clone(), source })?;
    std::fs::write(&path, text).map_err(|source| CityError::Write { path, source })?;
    let rows = truth.datasets.values().map(|dataset| dataset.rows).sum();
    let files =
        truth.datasets.values().map(|dataset| dataset.files.len() + usize::from(dataset.resent.is_some())).sum();
    Ok(CityReport { truth, rows, files })
}

struct Maker<'a> {
    pack: &'a Pack,
    options: &'a CityOptions,
    world: &'a World,
    tables: &'a BTreeMap<&'a str, Table<'a>>,
}

impl<'a> Maker<'a> {
    fn make_folders(&self) -> Result<(), CityError> {
        let truth = self.options.out.join("truth");
        let mut folders = vec![truth.join("rows"), truth.join("registries")];
        folders.extend(self.pack.departments.iter().map(|department| self.inbox().join(&department.id)));
        for path in folders {
            std::fs::create_dir_all(&path).map_err(|source| CityError::Write { path, source })?;
        }
        Ok(())
    }

    fn inbox(&self) -> PathBuf {
        self.options.out.join("inbox")
    }

    fn jobs(&self) -> Vec<Job<'a>> {
        let mut jobs = Vec::new();
        for dataset in &self.pack.datasets {
            let table = &self.tables[dataset.id.as_str()];
            let parts = in_parts(table.size, table.file_rows_max());
            let count = parts.len() as u64;
            jobs.extend((1..).zip(parts).map(|(part, (first, last))| Job::File {
                dataset: &dataset.id,
                part,
                first,
                last,
            }));
            if table.has_corrections() {
                jobs.push(Job::Corrections { dataset: &dataset.id, part: count + 1 });
            }
        }
        for registry in &self.pack.registries {
            let entities = truth::entities(self.world, registry, self.tables);
            for (part, first) in (1..).zip((0..entities).step_by(usize::try_from(PART_ENTITIES).expect("fits"))) {
                jobs.push(Job::Registry { registry, part, first, last: (first + PART_ENTITIES).min(entities) });
            }
        }
        jobs
    }

    /// Runs all jobs; returns what they found, in the order of the jobs.
    fn run(
        &self,
        jobs: &[Job<'a>],
        rows_total: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Part>, CityError> {
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(jobs[*index].cost()));
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let mut parts: Vec<Option<Part>> = jobs.iter().map(|_| None).collect();
        let mut failed = None;
        std::thread::scope(|scope| {
            let (sender, news) = channel();
            for _ in 0..self.options.threads {
                let (sender, next, stop, order) = (sender.clone(), &next, &stop, &order);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                        let part = self.job(&jobs[*index], &sender);
                        // The receiver lives until every sender is gone.
                        let _ = sender.send(News::Done(*index, part));
                    }
                });
            }
            drop(sender);
            let mut rows = 0;
            for message in news {
                match message {
                    News::Rows(name, count) => {
                        rows += count;
                        progress(Progress { name, rows, rows_total });
                    }
                    News::Done(index, Ok(part)) => parts[index] = Some(part),
                    News::Done(_, Err(error)) => {
                        stop.store(true, Ordering::Relaxed);
                        failed.get_or_insert(error);
                    }
                }
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(parts.into_iter().flatten().collect()),
        }
    }

    fn job(&self, job: &Job<'_>, news: &Sender<News>) -> Result<Part, CityError> {
        match *job {
            Job::File { dataset, part, first, last } => {
                let table = &self.tables[dataset];
                self.file(table, part, news, |row, add| {
                    for number in first..last {
                        let planned = table.deliver(number, row);
                        add(row, planned, number)?;
                        if planned.is_some_and(|planned| planned.fault == Fault::Twice) {
                            add(row, planned, number)?;
                        }
                    }
                    Ok(())
                })
            }
            Job::Corrections { dataset, part } => {
                let table = &self.tables[dataset];
                self.file(table, part, news, |row, add| {
                    for number in (0..table.size.rows).filter(|number| table.is_corrected(*number)) {
                        table.correct(number, row);
                        add(row, None, number)?;
                    }
                    Ok(())
                })
            }
            Job::Registry { registry, part, first, last } => {
                let path = self.options.out.join(format!("truth/registries/{}-{part:03}.parquet", registry.id));
                truth::registry(registry, self.tables, self.world, (first, last), &path)
            }
        }
    }

    /// Writes one file or table with what `write` hands over, and its reckoning.
    fn file(
        &self,
        table: &Table<'_>,
        part: u64,
        news: &Sender<News>,
        write: impl FnOnce(&mut Row, &mut Add<'_>) -> Result<(), CityError>,
    ) -> Result<Part, CityError> {
        let dataset = table.dataset;
        let server = self.server(dataset.source.format);
        let usual = Stream::new(self.world.seed, &format!("{}.day", dataset.id)).at(0).below(5);
        let spelling = DaySpelling::ALL[usize::try_from(usual).expect("below 5")];
        let name = match server {
            Some(_) => dataset.source.table.clone().unwrap_or_else(|| dataset.id.clone()),
            None => format!("{}/{}_202610_{part:03}.{}", dataset.department, dataset.id, ending(dataset.source.format)),
        };
        let path = self.inbox().join(&name);
        let half = self.inbox().join(format!("{name}.part"));
        let mut sink: Box<dyn Sink> = match server {
            Some(server) => server.open(dataset, &table.delivered)?,
            None => sink::file(&half, dataset, &table.delivered, spelling)?,
        };
        let lines = self.options.out.join(format!("truth/rows/{}-{part:03}.parquet", dataset.id));
        let mut ledger = Ledger::new(table, &name, &lines)?;
        let mut unsaid = 0;
        write(&mut Row::default(), &mut |row, planned, number| {
            sink.add(row, planned.map(|planned| &planned.fault))?;
            ledger.note(row, planned, number)?;
            unsaid += 1;
            if unsaid == PROGRESS_ROWS {
                let _ = news.send(News::Rows(dataset.id.clone(), std::mem::take(&mut unsaid)));
            }
            Ok(())
        })?;
        sink.finish()?;
        let _ = news.send(News::Rows(dataset.id.clone(), unsaid));
        let mut resent = None;
        if server.is_none() {
            std::fs::rename(&half, &path).map_err(|source| CityError::Write { path: path.clone(), source })?;
            if part == 1 && RESENT.contains(&dataset.id.as_str()) {
                // Sorts behind every file of the dataset, as what is sent later does.
                let again =
                    format!("{}/{}_202611_resent.{}", dataset.department, dataset.id, ending(dataset.source.format));
                let copy = self.inbox().join(&again);
                std::fs::copy(&path, &copy).map_err(|source| CityError::Write { path: copy, source })?;
                resent = Some(again);
            }
        }
        ledger.finish(resent)
    }

    fn server(&self, format: Format) -> Option<Server<'a>> {
        match format {
            Format::Postgres => self.options.postgres.as_deref().map(Server::Postgres),
            Format::Mariadb => self.options.mariadb.as_deref().map(Server::Mariadb),
            Format::Csv | Format::Xlsx | Format::Jsonl | Format::Parquet => None,
        }
    }
}

/// Takes a record, its deviation and its number.
type Add<'f> = dyn FnMut(&Row, Option<&crate::fault::Planned>, u64) -> Result<(), CityError> + 'f;

const fn ending(format: Format) -> &'static str {
    match format {
        Format::Csv | Format::Postgres | Format::Mariadb => "csv",
        Format::Xlsx => "xlsx",
        Format::Jsonl => "jsonl",
        Format::Parquet => "parquet",
    }
}

/// Cuts the records into even parts of at most `most`.
fn in_parts(size: Size, most: u64) -> Vec<(u64, u64)> {
    let count = size.rows.div_ceil(most).max(1);
    (0..count).map(|part| (size.rows * part / count, size.rows * (part + 1) / count)).collect()
}
