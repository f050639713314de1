//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// 沂河 · a city's shared data: gathered, checked, made one source of truth, shared by law, and proven.
#[derive(Debug, Parser)]
#[command(
    name = "yihe",
    version,
    propagate_version = true,
    after_help = "\
先看示例 · see it work:
  yihe demo                          造一座示范市并走完全程 · make a demonstration city and run the main line

自己的数据 · your own data:
  yihe pack init people.csv          由文件拟写定义 · propose definitions from a file
  yihe pack apply ./my-pack          启用定义 · put definitions in force
  yihe collect                       归集 · land what was delivered to <data>/inbox
  yihe check                         检查 · judge what landed
  yihe registry build                建库 · build the base registries
  yihe catalogue publish             发布目录 · publish the catalogue
  yihe serve                         开放服务 · pages and API
  yihe ledger verify                 验证 · prove the whole ledger

退出码 · exit codes: 0 完成 done · 1 有拒收、缺陷或未证实 something was refused, at fault or not proven ·
2 用法或配置有误 wrong usage or configuration · 3 未能完成 could not be done"
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// 数据目录 · folder of everything Yihe keeps [default: ./yihe-data]
    #[arg(long, global = true, env = "YIHE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// 配置文件 · configuration file [default: <data>/yihe.yaml, if there is one]
    #[arg(long, global = true, env = "YIHE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// 语言 · language of answers
    #[arg(long, global = true, env = "YIHE_LANG", default_value = "zh")]
    pub lang: Lang,
    /// 输出一个 JSON 对象 · print one JSON object instead of a table
    #[arg(long, global = true)]
    pub json: bool,
}

/// Language of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// 中文
    Zh,
    /// English
    En,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 示范市 · make a demonstration city and take its data through the main line
    Demo(Demo),
    /// 定义包 · definitions: check, apply, propose
    #[command(subcommand)]
    Pack(Pack),
    /// 归集 · land what departments delivered
    #[command(after_help = "\
文件放入 <data>/inbox，按数据集的 source.files 认领；同一内容只收一次，中断后重跑即可。
Files go to <data>/inbox and are matched by source.files of each dataset. The same content is received once;
after an interruption simply run it again. Rows that do not fit go to quarantine with line, column, found, expected.")]
    Collect(Datasets),
    /// 检查 · judge what landed; or check any file with --rules
    #[command(after_help = check_help())]
    Check(Check),
    /// 基础库 · base registries
    #[command(subcommand)]
    Registry(Registry),
    /// 目录 · the catalogue
    #[command(subcommand)]
    Catalogue(Catalogue),
    /// 共享申请 · requests to share, their answers and grants
    #[command(subcommand)]
    Share(Share),
    /// 账本 · the ledger: prove, verify, export
    #[command(subcommand)]
    Ledger(Ledger),
    /// 账号 · accounts of the departments
    #[command(subcommand)]
    Account(Account),
    /// 服务 · serve pages and API
    Serve(Serve),
}

fn check_help() -> String {
    format!(
        "\
例 · examples:
  yihe check                                  检查已归集而未检查的批次 · whatever landed and was not checked
  yihe check people.parquet --rules r.yaml    单独检查文件 · a file by itself, without a data folder
  yihe check a.csv b.csv --rules r.yaml --faults faults.parquet --json

规则文件 · a rule file that shows every kind of rule:

{}",
        include_str!("../../quality/examples/rules.yaml")
    )
}

/// `yihe demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// 规模；1 为全市 1,100 万人、6.14 亿条 · size; 1 is the whole city: 11 M people, 614 M records
    #[arg(long, default_value_t = yihe_city::DEFAULT_SCALE)]
    pub scale: f64,
    /// 随机种子，同种子同城市 · the same seed makes the same city
    #[arg(long, default_value_t = 3713)]
    pub seed: u64,
    /// 走完后退出，不开服务 · end afterwards instead of serving
    #[arg(long)]
    pub no_serve: bool,
    /// 只生成数据 · only make the extracts and their truth
    #[arg(long)]
    pub only_generate: bool,
    /// 一并写入此 PostgreSQL · also put tables into this PostgreSQL
    #[arg(long, value_name = "URL", env = "YIHE_DEMO_POSTGRES")]
    pub postgres: Option<String>,
    /// 一并写入此 MariaDB · also put tables into this MariaDB
    #[arg(long, value_name = "URL", env = "YIHE_DEMO_MARIADB")]
    pub mariadb: Option<String>,
    /// 服务地址 · address to serve on
    #[arg(long, env = "YIHE_LISTEN", value_name = "ADDR")]
    pub listen: Option<String>,
}

/// `yihe pack …`
#[derive(Debug, Subcommand)]
pub enum Pack {
    /// 检查定义，一次报告全部问题 · check folders, report every fault at once
    Check {
        /// 定义包目录 · pack folders, later ones may refer to earlier ones
        #[arg(required = true)]
        folders: Vec<PathBuf>,
    },
    /// 启用定义 · put folders in force (with the built-in base pack before them)
    Apply {
        /// 定义包目录 · pack folders
        #[arg(required = true)]
        folders: Vec<PathBuf>,
    },
    /// 由文件拟写定义 · propose a pack from one file of your own
    #[command(after_help = "\
例 · example:
  yihe pack init people.csv                写出 ./people-pack · writes ./people-pack, reads nothing else
  yihe pack apply ./people-pack && cp people.csv yihe-data/inbox/ && yihe collect && yihe check")]
    Init {
        /// CSV、XLSX、JSON 行或 Parquet · CSV, XLSX, JSON lines or Parquet
        file: PathBuf,
        /// 写到此目录 · folder to write [default: ./<file>-pack]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// 已启用的定义 · what is in force
    List,
}

/// Datasets to work on.
#[derive(Debug, Args)]
pub struct Datasets {
    /// 数据集，缺省为全部 · datasets; all of them when none is named
    pub datasets: Vec<String>,
}

/// `yihe check`
#[derive(Debug, Args)]
pub struct Check {
    /// 数据集，或配合 --rules 的文件 · datasets, or files with --rules
    pub subjects: Vec<String>,
    /// 规则文件 · rule file; then the subjects are files and no data folder is needed
    #[arg(long, value_name = "RULES.yaml")]
    pub rules: Option<PathBuf>,
    /// 逐条问题写入此文件 · write every fault to this Parquet file
    #[arg(long, value_name = "OUT.parquet", requires = "rules")]
    pub faults: Option<PathBuf>,
    /// 线程数 · threads
    #[arg(long, default_value_t = 1, requires = "rules")]
    pub threads: usize,
}

/// `yihe registry …`
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// 建库 · build registries
    Build {
        /// 基础库，缺省为全部 · registries; all of them when none is named
        registries: Vec<String>,
    },
    /// 一条记录的由来 · where each value of a record comes from
    Show {
        /// 基础库 · registry
        registry: String,
        /// 主键 · key of the entity
        key: String,
    },
}

/// `yihe catalogue …`
#[derive(Debug, Subcommand)]
pub enum Catalogue {
    /// 编制、审签、审核、发布 · compile, sign, review and publish what the packs define
    Publish,
    /// 检索 · search by words, pinyin or initials
    Search {
        /// 词、拼音或首字母，如 lsq · words, pinyin or initials
        words: Vec<String>,
    },
}

/// `yihe share …`
#[derive(Debug, Subcommand)]
pub enum Share {
    /// 一次走完申请、双签、答复、授权 · take one request through signatures, answer and grant
    #[command(after_help = "\
以各环节账号代行，用于演示与自有数据上手；正式办理请在页面上分别登录。
Acts with the account of each step, for demonstrations and first steps with your own data; real requests are
handled by people on the pages. Prints the token once.")]
    Grant {
        /// 目录代码 · resource code of the entry
        entry: String,
        /// 申请部门 · requesting department
        #[arg(long)]
        department: String,
        /// 使用依据 · legal basis of the use
        #[arg(long, default_value = "政务数据共享条例第二十条")]
        basis: String,
        /// 使用场景 · what it is used for
        #[arg(long, default_value = "核验办事材料")]
        purpose: String,
        /// 字段，缺省为全部 · columns; all of them when none is named
        #[arg(long, value_delimiter = ',')]
        columns: Vec<String>,
        /// 行条件，可多次 · row condition, may be repeated: column=value|value
        #[arg(long, value_name = "COLUMN=VALUE")]
        rows: Vec<String>,
    },
    /// 授权一览 · grants
    List,
}

/// `yihe ledger …`
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// 重算两棵树并比对数据库，逐条指出被改之处 · recompute both trees, compare the database, name every change
    Verify {
        /// 离线验证一份证明 · verify one proof offline instead: policy file
        #[arg(long, value_name = "POLICY", requires_all = ["proof", "item"])]
        policy: Option<PathBuf>,
        /// 证明 · proof file
        #[arg(value_name = "ITEM.tlog-proof")]
        proof: Option<PathBuf>,
        /// 条目 · item file
        #[arg(value_name = "ITEM.json")]
        item: Option<PathBuf>,
    },
    /// 当前检查点 · the signed head of the log
    Checkpoint,
    /// 为一个对象取证 · write proof and item of an object's last entry
    Prove {
        /// 对象，如 request:… · object, e.g. request:0199…
        object: String,
        /// 写到此目录 · folder to write to
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
}

/// `yihe account …`
#[derive(Debug, Subcommand)]
pub enum Account {
    /// 新增账号，口令由 `YIHE_PASSPHRASE` 或标准输入给出 · add one; passphrase from `YIHE_PASSPHRASE` or standard input
    Add {
        /// 登录名 · login
        login: String,
        /// 姓名 · name
        #[arg(long)]
        name: String,
        /// 部门 · department
        #[arg(long)]
        department: String,
        /// officer 经办、head 负责人、reviewer 审核 · roles
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<String>,
    },
    /// 为每个部门建经办人与负责人（演示用，口令随机并只显示一次）· an officer and a head for each department
    Cast,
    /// 一览 · list
    List,
}

/// `yihe serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// 服务地址 · address to serve on [default: 127.0.0.1:8371]
    #[arg(long, env = "YIHE_LISTEN", value_name = "ADDR")]
    pub listen: Option<String>,
}
