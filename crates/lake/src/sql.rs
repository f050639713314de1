//! A caller's SQL over granted views: checked as text, as a syntax tree, as a plan, then run in bounds.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SessionState, SessionStateDefaults};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement as EngineStatement};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, ObjectName, Query, Statement, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::LakeError;
use crate::granted::{Answer, Limits, collect, run_error, within};
use crate::lake::Lake;
use crate::rights::{GrantedView, Rights};
use crate::scan::session_config;

/// Longest query, in bytes.
const SQL_BYTES_MAX: usize = 16 << 10;
/// Most words, signs and literals of a query.
const TOKENS_MAX: usize = 2_000;
/// Longest text literal, in bytes: with `GROWING_MAX`, what one row can be made to grow to.
const LITERAL_BYTES_MAX: usize = 1 << 10;
/// Deepest nesting of expressions, counting each of a chain of operators.
const DEPTH_MAX: usize = 128;
/// Deepest nesting the parser follows.
const PARSER_DEPTH_MAX: usize = 40;
/// Most reads of views after every common table expression is written out where it is used.
const READS_MAX: u64 = 32;
/// Most operators that join texts, each of which may double a text.
const GROWING_MAX: usize = 8;
/// Most views of one query.
const VIEWS_MAX: usize = 64;
/// Stack of the planning thread; the engine plans recursively.
const PLANNING_STACK_BYTES: usize = 32 << 20;

/// Functions of single values that a caller may use. None of them reads anything but its
/// arguments, and none makes long text of short.
const SCALAR_FUNCTIONS: &[&str] = &[
    "abs",
    "ascii",
    "bit_length",
    "btrim",
    "ceil",
    "character_length",
    "coalesce",
    "concat",
    "concat_ws",
    "contains",
    "date_bin",
    "date_part",
    "date_trunc",
    "ends_with",
    "find_in_set",
    "floor",
    "greatest",
    "initcap",
    "isnan",
    "iszero",
    "least",
    "left",
    "levenshtein",
    "lower",
    "ltrim",
    "make_date",
    "nanvl",
    "nullif",
    "nvl",
    "nvl2",
    "octet_length",
    "power",
    "reverse",
    "right",
    "round",
    "rtrim",
    "signum",
    "split_part",
    "sqrt",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "to_date",
    "translate",
    "trunc",
    "upper",
];
/// Functions over groups of rows that a caller may use.
const AGGREGATE_FUNCTIONS: &[&str] = &[
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "avg",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "first_value",
    "grouping",
    "last_value",
    "max",
    "median",
    "min",
    "stddev",
    "stddev_pop",
    "sum",
    "var",
    "var_pop",
];
/// Functions over windows of rows that a caller may use.
const WINDOW_FUNCTIONS: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// A session with the functions above and nothing else: no tables, no files, no settings, no clock.
pub(crate) fn restricted_state() -> SessionState {
    let scalar = SessionStateDefaults::default_scalar_functions()
        .into_iter()
        .filter(|function| SCALAR_FUNCTIONS.contains(&function.name()))
        .collect();
    let aggregate = SessionStateDefaults::default_aggregate_functions()
        .into_iter()
        .filter(|function| AGGREGATE_FUNCTIONS.contains(&function.name()))
        .collect();
    let window = SessionStateDefaults::default_window_functions()
        .into_iter()
        .filter(|function| WINDOW_FUNCTIONS.contains(&function.name()))
        .collect();
    SessionStateBuilder::new()
        .with_config(session_config(1, 1_024))
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(scalar)
        .with_aggregate_functions(aggregate)
        .with_window_functions(window)
        .build()
}

impl Lake {
    /// Answers a caller's SQL over the views that `rights` grant.
    ///
    /// One `SELECT` (with or without `WITH`) is allowed, over those views and with a fixed list of
    /// functions. Masked columns are their masked text to every part of the query. More rows than
    /// `limits` or a grant allow are an error, not a cut: a cut would make sums wrong unnoticed.
    ///
    /// # Errors
    /// [`LakeError::Refused`] with what is not allowed or not understood; [`LakeError::Bound`] with
    /// the bound; [`LakeError::QueryFailed`] with the kind of failure; [`LakeError::Rights`],
    /// [`LakeError::NoTable`] when a grant itself does not fit.
    pub async fn sql_granted(&self, rights: &[Rights], sql: &str, limits: Limits) -> Result<Answer, LakeError> {
        within(limits, self.sql_inner(rights, sql, limits)).await
    }

    async fn sql_inner(&self, rights: &[Rights], sql: &str, limits: Limits) -> Result<Answer, LakeError> {
        if rights.len() > VIEWS_MAX {
            return Err(LakeError::Bound { bound: format!("{VIEWS_MAX} granted views") });
        }
        check_text(sql)?;
        let _turn = self
            .inner
            .sql_turns
            .acquire()
            .await
            .map_err(|_| LakeError::Task { detail: "the queue of queries".to_owned() })?;
        let state = self.granted_state(limits.memory)?;
        let context = SessionContext::new_with_state(state);
        let mut views = BTreeSet::new();
        let mut rows_max = limits.rows;
        for right in rights {
            let granted = self.granted(right).await?;
            if !views.insert(right.view.clone()) {
                return Err(LakeError::Rights {
                    view: right.view.clone(),
                    reason: "two grants of one call have this name".to_owned(),
                });
            }
            rows_max = right.row_limit.map_or(rows_max, |limit| rows_max.min(limit));
            context
                .register_table(TableReference::bare(right.view.as_str()), Arc::new(GrantedView(Arc::new(granted))))
                .map_err(|source| LakeError::engine("offer a granted view", source))?;
        }
        let state = context.state();
        let task = state.task_ctx();
        let plan = planned(state, sql.to_owned(), views).await?;
        let schema = plan.schema();
        let stream = execute_stream(plan, task).map_err(|error| run_error(&error, limits))?;
        collect(stream, schema, limits, rows_max).await
    }
}

/// Parses, checks and plans on a thread with room for the engine's recursion.
async fn planned(
    state: SessionState,
    sql: String,
    views: BTreeSet<String>,
) -> Result<Arc<dyn ExecutionPlan>, LakeError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("lake-plan".to_owned())
        .stack_size(PLANNING_STACK_BYTES)
        .spawn(move || {
            let outcome = runtime.block_on(plan(&state, &sql, &views));
            // Nobody waits any more when the time is over.
            let _ = sender.send(outcome);
        })
        .map_err(|error| LakeError::Task { detail: format!("planning a query: {error}") })?;
    receiver.await.map_err(|_| LakeError::Task { detail: "planning a query".to_owned() })?
}

async fn plan(state: &SessionState, sql: &str, views: &BTreeSet<String>) -> Result<Arc<dyn ExecutionPlan>, LakeError> {
    let statement = parse(sql)?;
    check_tree(&statement, views, state)?;
    let plan = state
        .statement_to_plan(EngineStatement::Statement(Box::new(statement)))
        .await
        .map_err(|error| plan_error(&error))?;
    check_plan(&plan)?;
    let plan = state.optimize(&plan).map_err(|error| plan_error(&error))?;
    state.query_planner().create_physical_plan(&plan, state).await.map_err(|error| match error.find_root() {
        DataFusionError::External(_) => run_error(&error, Limits::default()),
        _ => plan_error(&error),
    })
}

fn refused(reason: impl Into<String>) -> LakeError {
    LakeError::Refused { reason: reason.into() }
}

/// The engine's reason for not planning a query. It speaks of the query's own words and of
/// granted columns: planning sees no row, and the plan below the barrier is not yet made.
fn plan_error(error: &DataFusionError) -> LakeError {
    if let DataFusionError::Internal(_) = error.find_root() {
        tracing::warn!("the engine could not plan a query and calls it a fault of its own");
        return LakeError::QueryFailed { class: "the engine could not plan it" };
    }
    let mut reason = error.find_root().strip_backtrace();
    if let Some(cut) = reason.char_indices().nth(400).map(|(at, _)| at) {
        reason.truncate(cut);
    }
    refused(reason.replace("yihe.granted.", ""))
}

// ── as text ──────────────────────────────────────────────────────────────────

fn check_text(sql: &str) -> Result<(), LakeError> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(LakeError::Bound { bound: format!("{SQL_BYTES_MAX} bytes of SQL") });
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize()
        .map_err(|error| refused(format!("it is not SQL: {error}")))?;
    let mut count = 0;
    for token in &tokens {
        match token {
            Token::Whitespace(_) => {}
            Token::SingleQuotedString(text) if text.len() > LITERAL_BYTES_MAX => {
                return Err(LakeError::Bound { bound: format!("{LITERAL_BYTES_MAX} bytes of one text literal") });
            }
            _ => count += 1,
        }
    }
    if count > TOKENS_MAX {
        return Err(LakeError::Bound { bound: format!("{TOKENS_MAX} words and signs") });
    }
    Ok(())
}

// ── as a syntax tree ─────────────────────────────────────────────────────────

fn parse(sql: &str) -> Result<Statement, LakeError> {
    let mut statements = DFParserBuilder::new(sql)
        .with_recursion_limit(PARSER_DEPTH_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| refused(format!("it is not SQL: {}", error.strip_backtrace())))?;
    let (Some(statement), true) = (statements.pop_front(), statements.is_empty()) else {
        return Err(refused("expected exactly one statement"));
    };
    match statement {
        EngineStatement::Statement(statement) if matches!(*statement, Statement::Query(_)) => Ok(*statement),
        _ => Err(refused("only SELECT is allowed")),
    }
}

fn check_tree(statement: &Statement, views: &BTreeSet<String>, state: &SessionState) -> Result<(), LakeError> {
    let mut check = Check { views, state, defined: BTreeSet::new(), depth: 0, growing: 0 };
    if let ControlFlow::Break(error) = statement.visit(&mut check) {
        return Err(*error);
    }
    let mut reads = Reads { weights: HashMap::new(), total: 0 };
    let _: ControlFlow<()> = statement.visit(&mut reads);
    if reads.total > READS_MAX {
        return Err(LakeError::Bound { bound: format!("{READS_MAX} reads of views") });
    }
    Ok(())
}

/// Names, nesting and functions.
struct Check<'a> {
    views: &'a BTreeSet<String>,
    state: &'a SessionState,
    /// Names of common table expressions met so far.
    defined: BTreeSet<String>,
    depth: usize,
    growing: usize,
}

impl Visitor for Check<'_> {
    type Break = Box<LakeError>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if let Some(with) = &query.with {
            if with.recursive {
                return stop(refused("WITH RECURSIVE is not allowed"));
            }
            for table in &with.cte_tables {
                self.defined.insert(normal(&table.alias.name));
            }
        }
        if !query.locks.is_empty() {
            return stop(refused("FOR UPDATE and FOR SHARE are not allowed"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        let name = relation_name(relation);
        let known = name.as_ref().is_some_and(|name| self.views.contains(name) || self.defined.contains(name));
        if known {
            return ControlFlow::Continue(());
        }
        let found: String = relation.to_string().chars().take(80).collect();
        let granted: Vec<&str> = self.views.iter().map(String::as_str).collect();
        stop(refused(format!("no view `{found}` is granted; granted: {}", granted.join(", "))))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { args: None, .. } | TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => {
                ControlFlow::Continue(())
            }
            _ => stop(refused("only views, subqueries and joins may stand in FROM")),
        }
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Self::Break> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return stop(LakeError::Bound { bound: format!("{DEPTH_MAX} nested expressions or chained operators") });
        }
        match expression {
            Expr::BinaryOp { op: BinaryOperator::StringConcat, .. } => self.growing += 1,
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                if name.starts_with("concat") {
                    // Each argument may be the text that the last call made.
                    self.growing += match &function.args {
                        FunctionArguments::List(list) => list.args.len(),
                        FunctionArguments::None | FunctionArguments::Subquery(_) => 1,
                    };
                }
                let known = self.state.scalar_functions().contains_key(&name)
                    || self.state.aggregate_functions().contains_key(&name)
                    || self.state.window_functions().contains_key(&name);
                if !known {
                    let name: String = name.chars().take(80).collect();
                    return stop(refused(format!("function `{name}` is not available")));
                }
            }
            _ => {}
        }
        if self.growing > GROWING_MAX {
            return stop(LakeError::Bound { bound: format!("{GROWING_MAX} joinings of texts") });
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expression: &Expr) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

fn stop(error: LakeError) -> ControlFlow<Box<LakeError>> {
    ControlFlow::Break(Box::new(error))
}

/// A name as the engine takes it: lower case unless quoted.
fn normal(name: &datafusion::sql::sqlparser::ast::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// The name of a relation of one part; `None` for anything with a schema before it.
fn relation_name(relation: &ObjectName) -> Option<String> {
    match relation.0.as_slice() {
        [only] => only.as_ident().map(normal),
        _ => None,
    }
}

/// How often views are read once every common table expression is written out.
struct Reads {
    weights: HashMap<String, u64>,
    total: u64,
}

impl Visitor for Reads {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let mut inner = Self { weights: self.weights.clone(), total: 0 };
            let _: ControlFlow<()> = table.query.visit(&mut inner);
            let weight = self.weights.entry(normal(&table.alias.name)).or_default();
            // A name may be defined twice in different places: the heavier counts.
            *weight = (*weight).max(inner.total);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let weight = relation_name(relation).and_then(|name| self.weights.get(&name).copied()).unwrap_or(0);
        self.total = self.total.saturating_add(weight.max(1));
        ControlFlow::Continue(())
    }
}

// ── as a plan ────────────────────────────────────────────────────────────────

/// Only operators that compute from their inputs may stand in a caller's plan, and only granted
/// views at its leaves.
fn check_plan(plan: &LogicalPlan) -> Result<(), LakeError> {
    let mut bad: Option<&'static str> = None;
    let walked = plan.apply_with_subqueries(|node| {
        let found = match node {
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Distinct(_) => None,
            LogicalPlan::TableScan(scan) if is_granted_view(scan) => None,
            LogicalPlan::TableScan(_) => Some("reading a table"),
            LogicalPlan::Repartition(_) => Some("repartitioning"),
            LogicalPlan::Statement(_) | LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) => {
                Some("changing anything")
            }
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_) => Some("explaining"),
            LogicalPlan::Unnest(_) => Some("UNNEST"),
            LogicalPlan::RecursiveQuery(_) => Some("WITH RECURSIVE"),
            LogicalPlan::Extension(_) => Some("an extension"),
        };
        Ok(match found {
            None => TreeNodeRecursion::Continue,
            found => {
                bad = found;
                TreeNodeRecursion::Stop
            }
        })
    });
    match (walked, bad) {
        (Ok(_), None) => Ok(()),
        (_, Some(what)) => Err(refused(format!("{what} is not allowed"))),
        (Err(error), None) => Err(plan_error(&error)),
    }
}

fn is_granted_view(scan: &datafusion::logical_expr::TableScan) -> bool {
    datafusion::datasource::source_as_provider(&scan.source)
        .is_ok_and(|provider| (provider.as_ref() as &dyn std::any::Any).is::<GrantedView>())
}
