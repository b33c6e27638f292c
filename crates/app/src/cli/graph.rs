//! `ganger graph`: what waits for what. Titles are data in every format: none can close a label, open a tag or begin an edge (G23).

use std::collections::HashMap;
use std::fmt::Write;

use domain::dependency::Graph;
use domain::id::TaskId;
use domain::task::Status;
use domain::time::show_duration;
use engine::error::Result;
use engine::orchestrator::query::Node;
use serde_json::json;

use super::{list, values};
use crate::context::Context;
use crate::output::table::{cut, terminal_width};
use crate::output::{Tint, tinted};
use crate::{exit, wire};

/// Draw what waits for what, with the critical path: the chain that the end hangs on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to draw it
    #[arg(long, value_name = "F", value_enum)]
    format: Option<Format>,
    /// Only this plan
    #[arg(long, value_name = "N")]
    plan: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Levels, for reading
    Text,
    /// For Markdown pages
    Mermaid,
    /// For Graphviz
    Dot,
}

/// A longer title is cut in a drawing.
const TITLE_CHARS_MAX: usize = 80;
/// On a narrow terminal a title keeps so much.
const TITLE_COLUMNS_MIN: usize = 20;

/// What is drawn before a task: what it waits for, and before a fix the feature that it mends.
fn before(node: &Node) -> impl Iterator<Item = TaskId> {
    node.after.iter().copied().chain(node.mends.filter(|feature| !node.after.contains(feature)))
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (project, door) = context.open()?;
    let plan = values::plan(&door, args.plan)?;
    context.tend(&project, &door);
    let drawing = Drawing::of(door.nodes(plan)?);
    match (context.json, args.format) {
        (true, None) => context.printer.json(&drawing.shape())?,
        (true, Some(format)) => {
            let text = drawing.draw(format, false, None);
            let word = match format {
                Format::Text => "text",
                Format::Mermaid => "mermaid",
                Format::Dot => "dot",
            };
            context.printer.json(&json!({ "format": word, "graph": text }))?;
        }
        (false, format) => {
            if drawing.nodes.is_empty() {
                context.printer.say("there are no tasks: `ganger add`, `ganger plan`");
            }
            let text = drawing.draw(format.unwrap_or(Format::Text), context.printer.color, terminal_width());
            context.printer.write(&text);
        }
    }
    context.notices(&door);
    Ok(exit::DONE)
}

/// The graph with what is worked out about it.
struct Drawing {
    nodes: Vec<Node>,
    /// The level of each node: one more than the highest that it depends on.
    levels: Vec<usize>,
    /// The critical path, as indexes.
    critical: Vec<usize>,
}

impl Drawing {
    fn of(nodes: Vec<Node>) -> Self {
        let places: HashMap<TaskId, usize> = nodes.iter().enumerate().map(|(place, node)| (node.id, place)).collect();
        let mut graph = Graph::new(nodes.len());
        let needs: Vec<Vec<usize>> = nodes.iter().map(|node| before(node).filter_map(|id| places.get(&id).copied()).collect()).collect();
        // What was given up takes no time, and nothing hangs on it.
        let mut wanted = Graph::new(nodes.len());
        for (place, needs) in needs.iter().enumerate() {
            for on in needs {
                graph.add(place, *on);
                if [place, *on].iter().all(|place| nodes[*place].status != Status::Cancelled) {
                    wanted.add(place, *on);
                }
            }
        }
        let mut levels = vec![0; nodes.len()];
        for place in graph.order().unwrap_or_default() {
            levels[place] = needs[place].iter().map(|on| levels[*on] + 1).max().unwrap_or(0);
        }
        let durations: Vec<u64> = nodes.iter().map(|node| node.duration_ms).collect();
        // Where nothing waits for anything there is no path worth the name.
        let critical = if needs.iter().all(Vec::is_empty) { Vec::new() } else { wanted.longest_chain(&durations) };
        Self { nodes, levels, critical }
    }

    fn draw(&self, format: Format, color: bool, width: Option<usize>) -> String {
        match format {
            Format::Text => self.text(color, width),
            Format::Mermaid => self.mermaid(),
            Format::Dot => self.dot(),
        }
    }

    fn critical_nodes(&self) -> impl Iterator<Item = &Node> {
        self.critical.iter().filter_map(|place| self.nodes.get(*place))
    }

    fn is_critical(&self) -> Vec<bool> {
        let mut is_critical = vec![false; self.nodes.len()];
        for place in &self.critical {
            is_critical[*place] = true;
        }
        is_critical
    }

    /// The edges from what comes first to what waits for it, with whether they are on the critical path.
    fn edges(&self) -> impl Iterator<Item = (TaskId, TaskId, bool)> {
        let steps: std::collections::HashSet<(TaskId, TaskId)> =
            self.critical.windows(2).filter_map(|pair| Some((self.nodes.get(pair[0])?.id, self.nodes.get(pair[1])?.id))).collect();
        self.nodes.iter().flat_map(move |node| {
            let steps: Vec<_> = before(node).map(|on| (on, node.id, steps.contains(&(on, node.id)))).collect();
            steps
        })
    }

    fn shape(&self) -> wire::Graph {
        let edge = |(on, task, _): (TaskId, TaskId, bool)| wire::GraphEdge { task: task.to_string(), after: on.to_string() };
        wire::Graph {
            nodes: self.nodes.iter().zip(&self.levels).map(|(node, level)| wire::GraphNode::of(node, *level)).collect(),
            // What waits for what, as everywhere; that a fix comes behind its feature shows in the levels.
            edges: self.nodes.iter().flat_map(|node| node.after.iter().map(|on| edge((*on, node.id, false)))).collect(),
            critical_path: self.critical_nodes().map(|node| node.id.to_string()).collect(),
        }
    }

    /// A level a paragraph, in the order of work.
    fn text(&self, color: bool, screen: Option<usize>) -> String {
        let mut text = String::new();
        let critical = self.is_critical();
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|place| self.levels[*place]);
        let width = self.nodes.iter().map(|node| node.id.to_string().len()).max().unwrap_or(0);
        let mut level = None;
        for place in order {
            let node = &self.nodes[place];
            if level != Some(self.levels[place]) {
                level = Some(self.levels[place]);
                let head = format!("level {}", self.levels[place] + 1);
                let _ = writeln!(text, "{}", tinted(&head, Tint::Dim, color));
            }
            let path = if critical[place] { tinted("*", Tint::Bold, color) } else { " ".to_owned() };
            let mark = tinted(mark(node.status), list::tint(node.status), color);
            let first: Vec<TaskId> = before(node).collect();
            let after = if first.is_empty() { String::new() } else { format!("  ← {}", list::ids(&first)) };
            let room = screen.map_or(usize::MAX, |screen| screen.saturating_sub(width + 6 + after.chars().count()).max(TITLE_COLUMNS_MIN));
            let title = cut(&domain::text::escaped(&node.title, TITLE_CHARS_MAX), room);
            let id = node.id.to_string();
            let _ = writeln!(text, "{path} {mark} {id:<width$}  {title}{}", tinted(&after, Tint::Dim, color));
        }
        if self.nodes.is_empty() {
            return text;
        }
        let _ = writeln!(text);
        if !self.critical.is_empty() {
            let span = self.critical_nodes().fold(0_u64, |sum, node| sum.saturating_add(node.duration_ms));
            let ids: Vec<String> = self.critical_nodes().map(|node| node.id.to_string()).collect();
            let chain = if ids.len() > 12 {
                format!("{} … {}", ids[..6].join(" → "), ids[ids.len() - 6..].join(" → "))
            } else {
                ids.join(" → ")
            };
            let path = format!("* critical path, {}: {chain}", show_duration(std::time::Duration::from_millis(span)));
            let _ = writeln!(text, "{}", cut(&path, screen.unwrap_or(usize::MAX)));
        }
        let legend: Vec<String> = Status::ALL.iter().map(|status| format!("{} {status}", mark(*status))).collect();
        let _ = writeln!(text, "{}", tinted(&legend.join("  "), Tint::Dim, color));
        text
    }

    fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        for node in &self.nodes {
            let _ = writeln!(text, "  {}[\"{} {}\"]:::{}", name(node.id), node.id, mermaid_text(&node.title), class(node.status));
        }
        let mut critical = Vec::new();
        for (number, (on, task, is_critical)) in self.edges().enumerate() {
            let _ = writeln!(text, "  {} {} {}", name(on), if is_critical { "==>" } else { "-->" }, name(task));
            if is_critical {
                critical.push(number.to_string());
            }
        }
        for status in Status::ALL {
            let _ = writeln!(text, "  classDef {} fill:{},stroke:#555,color:#000", class(*status), fill(*status));
        }
        if !critical.is_empty() {
            let _ = writeln!(text, "  linkStyle {} stroke:#c00,stroke-width:3px", critical.join(","));
        }
        text
    }

    fn dot(&self) -> String {
        let mut text = "digraph tasks {\n  rankdir=LR;\n  node [shape=box, style=filled];\n".to_owned();
        let critical = self.is_critical();
        for (node, is_critical) in self.nodes.iter().zip(critical) {
            let wide = if is_critical { ", penwidth=3" } else { "" };
            let _ = writeln!(
                text,
                "  \"{}\" [label=\"{}\\n{}\", fillcolor=\"{}\"{wide}];",
                node.id,
                node.id,
                dot_text(&node.title),
                fill(node.status)
            );
        }
        for (on, task, is_critical) in self.edges() {
            let _ = writeln!(text, "  \"{on}\" -> \"{task}\"{};", if is_critical { " [color=\"#cc0000\", penwidth=3]" } else { "" });
        }
        text.push_str("}\n");
        text
    }
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Pending => "○",
        Status::InProgress => "▶",
        Status::Completed => "✓",
        Status::Blocked => "!",
        Status::Failed => "✗",
        Status::Cancelled => "–",
    }
}

fn class(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::InProgress => "in_progress",
        Status::Completed => "completed",
        Status::Blocked => "blocked",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    }
}

fn fill(status: Status) -> &'static str {
    match status {
        Status::Pending => "#ffffff",
        Status::InProgress => "#cfe2ff",
        Status::Completed => "#d1e7dd",
        Status::Blocked => "#fff3cd",
        Status::Failed => "#f8d7da",
        Status::Cancelled => "#e2e3e5",
    }
}

/// A task's name in Mermaid, where a hyphen could begin an edge.
fn name(id: TaskId) -> String {
    format!("T{}", id.0)
}

/// A text in a quoted label of Mermaid: every sign that could mean something, there, in HTML or in Markdown, becomes a character code.
fn mermaid_text(text: &str) -> String {
    let mut safe = String::new();
    for c in domain::text::escaped(text, TITLE_CHARS_MAX).chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '…') {
            safe.push(c);
        } else {
            let _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}

/// A text in a quoted label of Graphviz, which reads backslashes and HTML entities in it.
fn dot_text(text: &str) -> String {
    domain::text::escaped(text, TITLE_CHARS_MAX)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use domain::task::Kind;

    use super::*;

    fn node(id: u32, title: &str, after: &[u32], duration_ms: u64) -> Node {
        let after = after.iter().copied().map(TaskId).collect();
        let title = title.to_owned();
        Node { id: TaskId(id), title, kind: Kind::Feature, phase: 1, status: Status::Pending, after, mends: None, duration_ms }
    }

    fn diamond() -> Drawing {
        let mut nodes = vec![node(1, "begin", &[], 60_000), node(2, "short", &[1], 1_000), node(3, "long", &[1], 90_000)];
        nodes.push(Node { status: Status::Completed, ..node(4, "end", &[2, 3], 60_000) });
        Drawing::of(nodes)
    }

    #[test]
    fn levels_and_the_critical_path_are_told() {
        insta::assert_snapshot!(diamond().text(false, None), @"
        level 1
        * ○ T-001  begin
        level 2
          ○ T-002  short  ← T-001
        * ○ T-003  long  ← T-001
        level 3
        * ✓ T-004  end  ← T-002 T-003

        * critical path, 3m30s: T-001 → T-003 → T-004
        ○ PENDING  ▶ IN_PROGRESS  ✓ COMPLETED  ! BLOCKED  ✗ FAILED  – CANCELLED
        ");
    }

    #[test]
    fn mermaid_and_dot_draw_the_same_edges() {
        insta::assert_snapshot!(diamond().mermaid(), @r#"
        flowchart LR
          T1["T-001 begin"]:::pending
          T2["T-002 short"]:::pending
          T3["T-003 long"]:::pending
          T4["T-004 end"]:::completed
          T1 --> T2
          T1 ==> T3
          T2 --> T4
          T3 ==> T4
          classDef pending fill:#ffffff,stroke:#555,color:#000
          classDef in_progress fill:#cfe2ff,stroke:#555,color:#000
          classDef completed fill:#d1e7dd,stroke:#555,color:#000
          classDef blocked fill:#fff3cd,stroke:#555,color:#000
          classDef failed fill:#f8d7da,stroke:#555,color:#000
          classDef cancelled fill:#e2e3e5,stroke:#555,color:#000
          linkStyle 1,3 stroke:#c00,stroke-width:3px
        "#);
        insta::assert_snapshot!(diamond().dot(), @r##"
        digraph tasks {
          rankdir=LR;
          node [shape=box, style=filled];
          "T-001" [label="T-001\nbegin", fillcolor="#ffffff", penwidth=3];
          "T-002" [label="T-002\nshort", fillcolor="#ffffff"];
          "T-003" [label="T-003\nlong", fillcolor="#ffffff", penwidth=3];
          "T-004" [label="T-004\nend", fillcolor="#d1e7dd", penwidth=3];
          "T-001" -> "T-002";
          "T-001" -> "T-003" [color="#cc0000", penwidth=3];
          "T-002" -> "T-004";
          "T-003" -> "T-004" [color="#cc0000", penwidth=3];
        }
        "##);
    }

    #[test]
    fn a_fix_stands_behind_the_feature_that_it_mends() {
        let mut nodes = vec![node(1, "build", &[], 5_000), node(2, "test", &[1, 3], 1_000)];
        nodes.push(Node { kind: Kind::Fix, mends: Some(TaskId(1)), ..node(3, "mend", &[], 2_000) });
        let drawing = Drawing::of(nodes);
        assert_eq!(drawing.levels, [0, 2, 1]);
        assert_eq!(drawing.critical, [0, 2, 1]);
        assert!(drawing.mermaid().contains("  T1 ==> T3\n") && drawing.dot().contains("\"T-001\" -> \"T-003\""));
        assert_eq!(drawing.shape().edges.len(), 2, "programs are told what waits for what");
    }

    #[test]
    fn what_was_given_up_is_on_no_critical_path() {
        let given_up = Node { status: Status::Cancelled, duration_ms: 0, ..node(2, "given up", &[1], 0) };
        let drawing = Drawing::of(vec![node(1, "begin", &[], 1_000), given_up, node(3, "end", &[1], 500), node(4, "behind", &[2], 9)]);
        assert_eq!(drawing.critical, [0, 2]);
    }

    #[test]
    fn a_drawing_fits_the_terminal() {
        let nodes = vec![node(1, "begin", &[], 1), node(2, &"a long title ".repeat(6), &[1], 1)];
        for line in Drawing::of(nodes).text(false, Some(60)).lines().filter(|line| line.contains("T-00")) {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 60, "{line}");
        }
    }

    #[test]
    fn a_title_cannot_break_out() {
        let hostile =
            "a\"] --> T9; click T9 href \"javascript:alert(1)\" <img src=x onerror=alert(1)> `b` %% #quot; \\\" \u{1b}[31m\nT7 -.-> T8";
        let drawing = Drawing::of(vec![node(1, hostile, &[], 1)]);
        let label = mermaid_text(hostile);
        assert!(label.chars().all(|c| c.is_alphanumeric() || " .,…#;".contains(c)), "{label}");
        assert_eq!(
            drawing.mermaid().lines().filter(|line| line.contains("-->") || line.contains("click ")).count(),
            1,
            "its own line only"
        );
        assert_eq!(drawing.dot().lines().count(), 5);
        // Each quote of the label is behind an odd number of backslashes.
        let label = dot_text(hostile);
        for (at, _) in label.match_indices('"') {
            assert_eq!(label[..at].chars().rev().take_while(|c| *c == '\\').count() % 2, 1, "{label}");
        }
        assert!(!label.contains(['<', '>', '\n', '\u{1b}']));
    }

    #[test]
    fn a_dependency_outside_of_the_plan_is_named_and_nothing_more() {
        let drawing = Drawing::of(vec![node(5, "behind another plan", &[1], 1)]);
        assert!(drawing.critical.is_empty());
        assert!(drawing.text(false, None).contains("← T-001"));
        assert!(drawing.mermaid().contains("T1 --> T5"));
    }
}
