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
    /// 规则 · rules: propose them for a table or a file
    #[command(subcommand)]
    Rules(Rules),
    /// 工单：核验、校核、告知 · tickets: faults returned to departments, objections, notices
    #[command(subcommand)]
    Ticket(Ticket),
    /// 质量：问题台账、扣留、历次检查 · quality: faults with their history, rows held back, checks over time
    #[command(subcommand)]
    Quality(Quality),
    /// 用 SQL 查指标、问题与工单 · ask about metrics, faults and tickets in SQL
    #[command(after_help = "\
表 · tables: yihe.metrics  yihe.faults  yihe.tickets  yihe.notices  yihe.golden  yihe.conflicts  yihe.links  yihe.decisions  yihe.pairs  yihe.theme_<主题库 · theme>
例 · examples:
  yihe sql \"SELECT dataset, rule, count(*) FROM yihe.faults WHERE state = 'open' GROUP BY ALL ORDER BY 3 DESC\"
  yihe sql \"SELECT * FROM yihe.tickets WHERE state = 'open'\"
  yihe sql \"SELECT industry, sum(tax_amount) FROM yihe.theme_enterprise_development GROUP BY 1\"
只读；敏感值已隐藏。Read only; sensitive values are hidden.")]
    Sql(Sql),
    /// 基础库 · base registries
    #[command(subcommand)]
    Registry(Registry),
    /// 主题库 · themes over registries and datasets
    #[command(subcommand)]
    Theme(Theme),
    /// 关联 · link records of any files without labels: duplicates of one, or matches of two
    #[command(subcommand)]
    Link(Link),
    /// 目录 · the catalogue
    #[command(subcommand)]
    Catalogue(Catalogue),
    /// 共享申请 · requests to share, their answers and grants
    #[command(subcommand)]
    Share(Share),
    /// 账本 · the ledger: prove, verify, export, anchor, witnesses, keys
    #[command(subcommand)]
    Ledger(Ledger),
    /// 见证方 · the witness: cosigns other logs' checkpoints, over HTTP or by file
    #[command(after_help = "\
省厅、县区、审计各自运行一个见证方：只会签能接上自己上次所见的检查点，先落盘再回答（C2SP tlog-witness）。
市级账本由省级见证，市级又见证县区：同一个程序，各用各的目录。
Province, counties and the audit office each run one. It cosigns only what continues the checkpoint it saw last, and
writes that down before it answers (C2SP tlog-witness). The province witnesses the city, the city its counties.

例 · examples:
  yihe --data w witness keys --name audit.example        造密钥，打印公钥 · make keys, print the public ones
  yihe --data w witness --policy logs.txt --listen 0.0.0.0:8372 提供服务 · serve add-checkpoint
  yihe --data w witness cosign city.request --policy logs.txt   单向网络，以文件会签 · by file

logs.txt: 每行一个账本公钥 · a log key a line, then the quorum, which a witness does not need:
  log yihe.demo/ledger+2f1c…+AQ…
  log yihe.demo/ledger/sm3+9b07…+…
  quorum none")]
    Witness(Witness),
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
  yihe check may.parquet --rules r.yaml --before figures.json   与上一版本比较 · volume and drift against the last run
  yihe rules propose people.csv > r.yaml      拟写规则 · propose a rule file

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
    /// 上一版本的统计：存在则据以评价数据量与漂移，核验后改写 · figures of the version before: volume and drift are
    /// judged by them where the file exists, and it is replaced after the check
    #[arg(long, value_name = "FIGURES.json", requires = "rules")]
    pub before: Option<PathBuf>,
    /// CSV 分隔符，缺省为逗号，.tsv 为制表符 · separator of CSV; a comma, in .tsv a tab
    #[arg(long, value_name = "CHAR", requires = "rules")]
    pub delimiter: Option<char>,
}

/// `yihe rules …`
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// 分析数据并拟写规则 · profile a table or files and propose a rule file, to read and then to keep
    #[command(after_help = "\
例 · examples:
  yihe rules propose people.parquet > rules.yaml && yihe check people.parquet --rules rules.yaml
  yihe rules propose people                  数据目录中的数据集 · a dataset of the data folder, as it was checked
每条规则上方注明依据。 Each rule has its evidence above it.")]
    Propose {
        /// 文件或数据集 · files, or one dataset
        #[arg(required = true)]
        subjects: Vec<String>,
        /// 写到此文件，缺省为标准输出 · file to write; standard output by default
        #[arg(long, value_name = "RULES.yaml")]
        out: Option<PathBuf>,
    },
}

/// `yihe ticket …`
#[derive(Debug, Subcommand)]
pub enum Ticket {
    /// 一览，缺省只列待办 · tickets, those that wait unless --all
    List {
        /// 含已办结 · closed ones too
        #[arg(long)]
        all: bool,
        /// 责任部门 · department that answers
        #[arg(long)]
        department: Option<String>,
        /// 数据集 · dataset
        #[arg(long)]
        dataset: Option<String>,
    },
    /// 一件工单及其证据 · one ticket with its evidence
    Show {
        /// 工单 · ticket
        ticket: String,
    },
    /// 责任部门答复并办结 · the department answers and closes
    #[command(after_help = "\
原因 · reasons: corrected 已更正（下次检查复核） · false_alarm 误报 · unresolvable 确认有误暂不能改
以责任部门经办人账号代行。Acts with the account of the department's officer.")]
    Close {
        /// 工单 · ticket
        ticket: String,
        /// 原因 · reason
        #[arg(long)]
        reason: String,
        /// 说明 · explanation
        #[arg(long)]
        say: String,
    },
    /// 主管部门不认可答复，重开 · the authority does not accept the answer
    Reopen {
        /// 工单 · ticket
        ticket: String,
        /// 说明 · explanation
        #[arg(long)]
        say: String,
    },
    /// 校核：使用部门对收到的数据提出异议 · a user objects to what it was supplied with
    #[command(after_help = "\
例 · example:
  yihe ticket object 0199… --field birth_on --say 与户口簿不符
回执即供给时返回的 receipt，不必也不应在命令行写出个人号码。
The receipt is the one that came with the supply; no person's number needs to be typed.")]
    Object {
        /// 供给回执 · receipt of the supply
        receipt: String,
        /// 字段，缺省为整条记录 · field; the whole record when it is left out
        #[arg(long)]
        field: Option<String>,
        /// 哪里不对 · what is wrong
        #[arg(long)]
        say: String,
    },
    /// 更正告知一览 · notices of corrections
    Notices {
        /// 被告知的部门 · department that is told
        #[arg(long)]
        department: Option<String>,
    },
    /// 确认知悉 · acknowledge a notice
    Acknowledge {
        /// 告知 · notice
        notice: String,
        /// 处置说明 · what was done with the old value
        #[arg(long)]
        say: Option<String>,
    },
}

/// `yihe sql`
#[derive(Debug, Args)]
pub struct Sql {
    /// 一条 SELECT · one SELECT
    pub question: String,
}

/// `yihe quality …`
#[derive(Debug, Subcommand)]
pub enum Quality {
    /// 得分：全市、部门、县区、数据集 · scores of the city, departments, counties, datasets
    Show {
        /// 只看此部门的数据集 · datasets of this department only
        #[arg(long)]
        department: Option<String>,
    },
    /// 问题台账：首次发现、退回、更正、复现、消失 · faults: first seen, returned, corrected, back again, gone
    Faults {
        /// 数据集 · dataset
        dataset: String,
        /// 规则 · rule
        #[arg(long)]
        rule: Option<String>,
        /// open、excused、corrected、gone、withdrawn 或 all · state
        #[arg(long, default_value = "open")]
        state: String,
        /// 最多条数 · most faults
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// 扣留的行、整批拦截的交付及原因 · rows held back, a delivery kept out as a whole, and why
    Held {
        /// 数据集 · dataset
        dataset: String,
        /// 最多条数 · most rows
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// 放行整批拦截的交付，记入台账 · let in a delivery that is kept out; the decision is in the ledger
    Release {
        /// 数据集 · dataset
        dataset: String,
        /// 放行理由 · why
        #[arg(long)]
        reason: String,
    },
    /// 历次检查 · checks over time
    History {
        /// 数据集 · dataset
        dataset: String,
    },
}

/// `yihe registry …`
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// 建库 · build registries
    Build {
        /// 基础库，缺省为全部 · registries; all of them when none is named
        registries: Vec<String>,
        /// 从头重建 · from nothing, whatever stands
        #[arg(long)]
        full: bool,
    },
    /// 变更数源前的预演 · what a change of authority would alter, before it is made
    #[command(after_help = "\
例 · example: 若手机号改以居住证为先，会改变多少人的值 · how many mobiles would change:
  yihe registry what-if population --field mobile --authority residence_permits,medical_insurance_persons

只计算，不写入。排在列表之外的来源不再供值。Nothing is written; a dataset that is not listed supplies no value.")]
    WhatIf {
        /// 基础库 · registry
        registry: String,
        /// 字段 · field
        #[arg(long)]
        field: String,
        /// 数源次序，首个为权威 · datasets in the order in which they are believed
        #[arg(long, value_delimiter = ',', required = true)]
        authority: Vec<String>,
    },
    /// 无可用主键的记录可能属于谁 · list the likely entities of records without a usable key
    Candidates {
        /// 基础库 · registry
        registry: String,
        /// 线程数 · threads
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// 写出训练所得的模型 · write the model that was learned
        #[arg(long, value_name = "MODEL.yaml")]
        save_model: Option<PathBuf>,
    },
    /// 两次建库之间改变了哪些记录，敏感值已脱敏 · what changed between two builds, entity by entity, masked
    Changes {
        /// 基础库 · registry
        registry: String,
        /// 起始版本，缺省为上一版 · from this version on; the one before the last when left out
        #[arg(long, value_name = "VERSION")]
        since: Option<i64>,
        /// 截止版本，缺省为最新 · up to this version; the newest when left out
        #[arg(long, value_name = "VERSION")]
        until: Option<i64>,
        /// 至多列出 · at most so many are listed
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// 一条记录的由来与落选值 · where each value of a record comes from, and which values lost
    Show {
        /// 基础库 · registry
        registry: String,
        /// 主键 · key of the entity
        key: String,
    },
    /// 认定谁是谁：并入、合并、拆分、不得关联 · decide who is whom
    #[command(after_help = "\
例 · examples:
  yihe registry decide population join --dataset fund_accounts --record 88010203 --entity E3f… --reason 核对档案
  yihe registry decide population merge --survivor 37130219… --merged 37130220… --reason 一人两号
以主管该库部门经办人账号代行；下次建库生效，撤销后一切如未认定。
Acts with the account of the officer of the department that runs the registry.")]
    Decide {
        /// 基础库 · registry
        registry: String,
        /// 认定 · decision
        #[command(subcommand)]
        what: Decide,
    },
    /// 撤销认定 · revoke a decision
    Revoke {
        /// 基础库 · registry
        registry: String,
        /// 认定 · decision
        decision: String,
        /// 理由 · reason
        #[arg(long)]
        reason: String,
    },
    /// 认定一览 · decisions
    Decisions {
        /// 基础库 · registry
        registry: String,
        /// 含已撤销 · revoked ones too
        #[arg(long)]
        all: bool,
        /// 至多 · at most
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// 由模型自行并入（须定义 `join_from`）· the model's own decisions, where the definition lets it
    Join {
        /// 基础库 · registry
        registry: String,
    },
    /// 列为受保护 · protect an entity
    Protect {
        /// 基础库 · registry
        registry: String,
        /// 主键 · key
        key: String,
        /// 依据 · what it rests on
        #[arg(long)]
        basis: String,
        /// 末日，缺省至解除 · last day; until it is lifted when left out
        #[arg(long, value_name = "YYYY-MM-DD")]
        until: Option<String>,
    },
    /// 解除保护 · end a protection
    Unprotect {
        /// 基础库 · registry
        registry: String,
        /// 主键 · key
        key: String,
    },
}

/// A record by dataset and business key.
#[derive(Debug, Clone, clap::Args)]
pub struct Named {
    /// 数据集 · dataset
    #[arg(long)]
    pub dataset: String,
    /// 业务主键，多列时为 JSON 列表 · business key; a JSON list where it has several columns
    #[arg(long)]
    pub record: String,
}

/// `yihe registry decide`
#[derive(Debug, Subcommand)]
pub enum Decide {
    /// 无可用主键的记录属于该实体 · the record without a usable key is of the entity
    Join {
        #[command(flatten)]
        named: Named,
        /// 实体：主键或 E 编号 · entity: its key or its name
        #[arg(long)]
        entity: String,
        /// 理由 · reason
        #[arg(long)]
        reason: String,
    },
    /// 两个实体是同一个 · two entities are one
    Merge {
        /// 保留者 · the one that stays
        #[arg(long)]
        survivor: String,
        /// 并去者 · the one that goes into it
        #[arg(long)]
        merged: String,
        /// 理由 · reason
        #[arg(long)]
        reason: String,
    },
    /// 记录虽有其主键，却不属于它 · the record bears the key and is not of the entity
    Split {
        #[command(flatten)]
        named: Named,
        /// 其主键所指实体 · the entity whose key it bears
        #[arg(long)]
        entity: String,
        /// 属于谁，缺省自成一体 · whose it is; one of its own when left out
        #[arg(long)]
        other: Option<String>,
        /// 理由 · reason
        #[arg(long)]
        reason: String,
    },
    /// 两个实体确为两个，不再提示 · two entities are two, not to be proposed as one again
    Distinct {
        /// 其一 · one
        #[arg(long)]
        one: String,
        /// 另一 · the other
        #[arg(long)]
        other: String,
        /// 理由 · reason
        #[arg(long)]
        reason: String,
    },
    /// 不得关联，不再提示 · not the same, not to be proposed again
    Apart {
        #[command(flatten)]
        named: Named,
        /// 实体 · entity
        #[arg(long)]
        entity: String,
        /// 理由 · reason
        #[arg(long)]
        reason: String,
    },
}

/// `yihe theme …`
#[derive(Debug, Subcommand)]
pub enum Theme {
    /// 建主题库 · build the tables of themes
    Build {
        /// 主题库，缺省为全部 · themes; all of them when none is named
        themes: Vec<String>,
    },
    /// 有哪些主题库 · the themes, what they join by and from whom
    List,
    /// 一个主题库的列、完整率与若干行（敏感列隐去） · columns, completeness and some rows; sensitive values hidden
    Show {
        /// 主题库 · theme
        theme: String,
        /// 行数 · rows
        #[arg(long, default_value_t = 5)]
        rows: usize,
    },
}

/// `yihe link …`
#[derive(Debug, Subcommand)]
pub enum Link {
    /// 由数据拟写关联模型 · propose a model from the data: columns recognised, blocking with its cost, levels
    #[command(after_help = "\
例 · examples:
  yihe link propose people.parquet --out model.yaml         一张表查重 · duplicates within one table
  yihe link propose a.parquet b.csv --out model.yaml        两张表关联 · two tables
模型是可审阅的 YAML；`yihe link run --save-model` 会写出训练所得的参数。
The model is a YAML file for review; `yihe link run --save-model` writes it with what was learned.")]
    Propose {
        /// 一张或两张表，Parquet 或 CSV · one or two tables, Parquet or CSV
        #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// 写到此文件，缺省为标准输出 · file to write [default: standard output]
        #[arg(long, visible_alias = "model", value_name = "MODEL.yaml")]
        out: Option<PathBuf>,
        /// 区划清单（`code,name,parent,level[,valid_from,valid_to]`），用以解析地址 · list of divisions to read addresses by
        #[arg(long, value_name = "DIVISIONS.csv")]
        divisions: Option<PathBuf>,
    },
    /// 无标注训练、打分、归并 · train without labels, score, group
    #[command(after_help = link_help())]
    Run(LinkRun),
    /// 以带密钥的杂凑隐去列，供不能出示标识的部门关联 · hide columns by keyed hashes, to be linked and not read
    #[command(after_help = "\
例 · examples:
  openssl rand -hex 32 > key                     由各部门共用，不交关联方 · shared by the departments, not the linking office
  yihe link hash a.parquet --columns 身份证号,手机 --key-file key --algorithm sm3 a.hashed.parquet
  yihe link hash b.csv --columns id_no=citizen_id --alike name --only --key-file key --algorithm sm3 b.hashed.parquet
  yihe link run a.hashed.parquet b.hashed.parquet --pairs pairs.parquet

种类 · kinds: text, name, date, code, citizen_id, credit_code；两个部门须相同，缺省由数据判断并在结果中列出
              both departments need the same; told from the data where absent, and listed in the answer
校验位不符的号码没有杂凑值，既不分块也不匹配 · a number with a failed check digit has no hash: it neither blocks nor matches.
")]
    Hash(LinkHash),
    /// 一对记录为何同一或不同 · why two records are, or are not, the same: the weights one by one
    Explain {
        /// 已训练的模型 · a trained model (`link run --save-model`)
        #[arg(long, value_name = "MODEL.yaml")]
        model: PathBuf,
        /// 一张或两张表 · one or two tables
        #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// 第一条记录的编号或行号 · identifier of the first record, or its row from 1 where there is none
        #[arg(long, value_name = "ID")]
        left: String,
        /// 第二条记录的编号或行号 · identifier of the second record
        #[arg(long, value_name = "ID")]
        right: String,
        /// 区划清单，须与训练时相同 · list of divisions that the model was trained with
        #[arg(long, value_name = "DIVISIONS.csv")]
        divisions: Option<PathBuf>,
    },
}

/// `yihe link hash`
#[derive(Debug, Args)]
pub struct LinkHash {
    /// 表，Parquet 或 CSV · table, Parquet or CSV
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// 结果，Parquet · result, Parquet
    #[arg(value_name = "OUT.parquet")]
    pub out: PathBuf,
    /// 列，可写 列=种类 · columns, each as NAME or NAME=KIND
    #[arg(long, value_delimiter = ',', value_name = "COLUMN[=KIND]", required_unless_present = "alike")]
    pub columns: Vec<String>,
    /// 以布隆过滤器隐去的姓名列，可比较相似 · columns of names to make Bloom filters of, so that they can be alike
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub alike: Vec<String>,
    /// 密钥文件，16 至 4096 字节 · file with the key, 16 to 4096 bytes
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// 算法 · algorithm
    #[arg(long, value_enum, default_value_t = HashAlgorithm::Sm3)]
    pub algorithm: HashAlgorithm,
    /// 不写其余列 · leave the other columns out
    #[arg(long)]
    pub only: bool,
}

/// Hash of `yihe link hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum HashAlgorithm {
    /// SM3 (GB/T 32905)
    Sm3,
    /// SHA-256
    Sha256,
}

/// `yihe link run`
#[derive(Debug, Args)]
pub struct LinkRun {
    /// 一张或两张表，Parquet 或 CSV · one or two tables, Parquet or CSV
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// 模型，缺省由数据拟写 · model [default: one is proposed]
    #[arg(long, value_name = "MODEL.yaml")]
    pub model: Option<PathBuf>,
    /// 每条记录至多一个对应 · at most one partner per record, for two tables that are free of duplicates
    #[arg(long)]
    pub one_to_one: bool,
    /// 写出同一的记录对 · write pairs that are the same
    #[arg(long, value_name = "P.parquet")]
    pub pairs: Option<PathBuf>,
    /// 写出归并结果 · write the group of every record
    #[arg(long, value_name = "C.parquet")]
    pub clusters: Option<PathBuf>,
    /// 写出训练后的模型 · write the model with what was learned
    #[arg(long, value_name = "MODEL.yaml")]
    pub save_model: Option<PathBuf>,
    /// 判为同一的概率下限 · probability from which two records are the same [default: the model's, 0.5]
    #[arg(long, value_name = "P")]
    pub threshold: Option<f64>,
    /// 写出的对的概率下限 · probability from which pairs are written [default: the threshold]
    #[arg(long, value_name = "P")]
    pub pairs_from: Option<f64>,
    /// 人工判定的对，计入训练并照办：左编号、右编号、same 或 different · pairs that people judged, which train the model
    /// and hold: `left_id`, `right_id`, same or different
    #[arg(long, value_name = "L.parquet")]
    pub labels: Option<PathBuf>,
    /// 区划清单（`code,name,parent,level[,valid_from,valid_to]`），用以解析地址 · list of divisions to read addresses by
    #[arg(long, value_name = "DIVISIONS.csv")]
    pub divisions: Option<PathBuf>,
    /// 模型已训练也重新训练 · learn again what the model already says
    #[arg(long)]
    pub train: bool,
    /// 线程数，结果与线程数无关 · threads; the result does not depend on them
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

fn link_help() -> &'static str {
    "\
例 · examples:
  yihe link run --model model.yaml people.parquet --pairs pairs.parquet --clusters clusters.parquet
  yihe link run --model model.yaml a.parquet b.parquet --one-to-one --pairs pairs.parquet --clusters clusters.parquet

pairs.parquet     left_id, right_id（编号列的值，无编号列则为行号 · identifier, or the row where there is none），
                  left_row, right_row（自 1 起 · from 1），probability, weight（比特 · bits），level_<列 column>
clusters.parquet  cluster_id, table, row（自 1 起 · from 1），id；每条记录一行 · one line per record"
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
    #[command(after_help = "\
例 · examples:
  yihe ledger verify                                              整个账本与数据库 · the whole log and the database
  yihe ledger verify --policy policy.txt item.tlog-proof item.json  离线验证一份证明，不需要数据目录 · one proof, offline, no data folder
  yihe ledger verify --log exported/ --keys verifier-keys         一份导出的账本 · an exported log, no data folder

策略文件写明信任哪些账本公钥、哪些见证方、多少方会签才算数（C2SP tlog-policy）：
A policy names the log keys and witnesses to believe, and the quorum (C2SP tlog-policy):

  log yihe.demo/ledger+2f1c…+AQ…
  witness province province.example+…+BA… https://witness.province.example
  witness audit audit.example+…+BA…
  group others any audit
  group both all province others
  quorum both")]
    Verify {
        /// 离线验证一份证明：策略文件 · verify one proof offline: policy file
        #[arg(long, value_name = "POLICY", requires_all = ["proof", "item"])]
        policy: Option<PathBuf>,
        /// 证明 · proof file
        #[arg(value_name = "ITEM.tlog-proof", requires = "policy")]
        proof: Option<PathBuf>,
        /// 条目 · item file
        #[arg(value_name = "ITEM.json", requires = "policy")]
        item: Option<PathBuf>,
        /// 离线验证一份导出的账本：其目录 · verify an exported log instead: its folder
        #[arg(long, value_name = "DIR", requires = "keys", conflicts_with = "policy")]
        log: Option<PathBuf>,
        /// 账本的验证公钥，从另一渠道取得 · the log's verifier keys, obtained by another channel
        #[arg(long, value_name = "FILE", requires = "log")]
        keys: Option<PathBuf>,
    },
    /// 当前检查点 · the signed head of the log
    Checkpoint,
    /// 为一个对象取证 · write proof and item of an object's last entry
    #[command(after_help = "\
例 · examples:
  yihe ledger prove request:0199…      一份申请的最后一条登记 · the last entry of a request
  yihe ledger prove usage:0199…        一次供数，即调用回执 · one supplied call, by its receipt
写出 .tlog-proof、.json（内容与盐值，只交给有权知道的人）和 policy.txt。
Writes .tlog-proof, .json (payload and salt: for those who may know them) and policy.txt.")]
    Prove {
        /// 对象，如 request:… · object, e.g. request:0199…
        object: String,
        /// 写到此目录 · folder to write to
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
    /// 导出为静态文件，任何网页服务器都能提供 · copy the log as static files that any web server can serve
    Export {
        /// 写到此目录；再次运行只补新增 · folder to write; run again to add what is new
        dir: PathBuf,
    },
    /// 把检查点存放到城市够不着的地方 · leave the checkpoints where the city cannot reach them
    #[command(after_help = "\
例 · examples:
  yihe ledger anchor --file /mnt/archive            挂载的档案盘、公报附件 · a mounted archive, an annex of the bulletin
  yihe ledger anchor --rfc3161 http://tsa.example   时间戳机构（RFC 3161）· a time-stamping authority
时间戳可用 OpenSSL 核对 · a time stamp is checked with OpenSSL:
  openssl ts -verify -data X.checkpoint -in X.tsr -CAfile authority.pem")]
    Anchor {
        /// 存到此目录 · leave them in this folder
        #[arg(long, value_name = "DIR", required_unless_present = "rfc3161")]
        file: Option<PathBuf>,
        /// 向此时间戳机构申请 · ask this time-stamping authority
        #[arg(long, value_name = "URL", conflicts_with = "file")]
        rfc3161: Option<String>,
        /// 时间戳存放目录 · folder for time stamps [default: <data>/ledger/anchors]
        #[arg(long, value_name = "DIR", requires = "rfc3161")]
        out: Option<PathBuf>,
    },
    /// 更换签名密钥，并登记入账 · put new signing keys in place of the present ones, and enter it
    #[command(after_help = "\
先停止 yihe serve。旧公钥仍在 verifier-keys 中，旧证明继续有效；旧私钥留在 keys/…retired-…，由保管人销毁。
Stop yihe serve first. The old public keys stay in verifier-keys and old proofs stay good; the old private keys
stay as keys/…retired-… until their keeper destroys them.")]
    RotateKey,
    /// 写出给见证方的请求文件（单向网络）· write requests for a witness to carry across a one-way network
    #[command(after_help = "\
例 · example:
  yihe ledger cosign-request --out carry/            城市写出请求 · the city writes requests
  yihe witness cosign carry/*.request --out back/    见证方会签 · the witness cosigns
  yihe ledger cosign-accept back/*.cosignature       城市收回 · the city takes the cosignatures in")]
    CosignRequest {
        /// 写到此目录 · folder to write to
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
        /// 该见证方上次会签的条数，不知道则为 0 · entries it cosigned last; 0 when nobody knows
        #[arg(long, default_value_t = 0)]
        old: u64,
    },
    /// 收回见证方的会签文件 · take in the cosignatures that a witness wrote
    CosignAccept {
        /// 会签文件，旁边是同名的 .request · cosignature files, each with the .request of the same name beside it or in --requests
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// 请求文件所在目录 · folder of the requests [default: that of each file]
        #[arg(long, value_name = "DIR")]
        requests: Option<PathBuf>,
    },
}

/// `yihe witness …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Witness {
    /// 不写则提供服务 · serves when nothing is said
    #[command(subcommand)]
    pub act: Option<WitnessAct>,
    /// 怎样提供服务 · how to serve
    #[command(flatten)]
    pub options: WitnessOptions,
    /// 服务地址 · address to serve on
    #[arg(long, default_value = "127.0.0.1:8372", env = "YIHE_WITNESS_LISTEN", value_name = "ADDR")]
    pub listen: String,
}

/// What every act of a witness takes.
#[derive(Debug, Clone, Args)]
pub struct WitnessOptions {
    /// 见证方名称，首次使用时写入密钥 · name of the witness, put into its keys at first use, e.g. audit.example
    #[arg(long, env = "YIHE_WITNESS_NAME", value_name = "NAME")]
    pub name: Option<String>,
    /// 策略文件：见证哪些账本 · policy file: which logs it cosigns [default: <data>/witness/policy.txt]
    #[arg(long, env = "YIHE_WITNESS_POLICY", value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// What a witness does beside serving.
#[derive(Debug, Subcommand)]
pub enum WitnessAct {
    /// 见证方的公钥，供策略文件使用 · its verifier keys, for policies
    Keys {
        /// 见证方名称 · name of the witness, at first use
        #[arg(long, env = "YIHE_WITNESS_NAME", value_name = "NAME")]
        name: Option<String>,
    },
    /// 会签带来的请求文件 · cosign requests that came as files
    Cosign {
        /// 请求文件 · request files
        #[arg(required = true)]
        requests: Vec<PathBuf>,
        /// 会签写到此目录 · folder for the cosignatures [default: that of each request]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// 怎样会签 · how to cosign
        #[command(flatten)]
        options: WitnessOptions,
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
