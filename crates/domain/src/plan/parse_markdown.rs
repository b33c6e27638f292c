//! Markdown task list → [`Tree`]: which heading is a phase, which item a task, which line a key. What stands in code, quotes and comments is text.

use super::key_line::{KeyLine, between_commas, dedented, key_line, one_line, without_backticks};
use super::keys::{PlanKey, TaskKey};
use super::markdown::{Block, Item, blocks};
use super::mistake::{Mistakes, Span};
use super::nearest;
use super::tree::{Entry, Node, Tree, Value};
use super::values::is_id;
use super::{PHASE_MAX, TASKS_MAX};
use crate::text::escaped;

/// Reads a text that [`super::bounds::check`] has let through.
pub(super) fn parse<'r>(text: &'r str, found: &'r mut Mistakes<'_>) -> Tree {
    let mut reader = Reader {
        text,
        found,
        entries: Vec::new(),
        defaults: Vec::new(),
        goal: Vec::new(),
        phase: None,
        begun: false,
        tasks: Vec::new(),
        done: Vec::new(),
    };
    let blocks = blocks(text);
    let title = title(&blocks, text);
    for (place, block) in blocks.into_iter().enumerate() {
        if title != Some(place) {
            reader.block(block);
        } else if let Block::Heading { span, .. } = block {
            let value = Value::Text(one_line(&text[span.clone()]));
            reader.entries.push(entry(PlanKey::Title.as_str(), &span, Node { span: span.clone(), value }));
        }
    }
    reader.finish()
}

/// The heading that is the title: the first of the first level, else the first that begins no phase.
fn title(blocks: &[Block], text: &str) -> Option<usize> {
    let heading = |most: u8| {
        blocks.iter().position(|block| match block {
            Block::Heading { level, span } => *level <= most && phase_number(&text[span.clone()]).is_none(),
            Block::Paragraph(_) | Block::Code { .. } | Block::List(_) | Block::Other(_) => false,
        })
    };
    heading(1).or_else(|| heading(6))
}

/// The number of a heading such as `Phase 2` or `Phase 2: the API`.
fn phase_number(heading: &str) -> Option<&str> {
    let heading = heading.trim_matches(['*', '_', ' ']);
    let rest = heading.get(5..).filter(|_| heading[..5].eq_ignore_ascii_case("phase"))?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let number = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
    let ends = !rest[number.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (!number.is_empty() && ends).then_some(number)
}

struct Reader<'r, 't> {
    text: &'r str,
    found: &'r mut Mistakes<'t>,
    entries: Vec<Entry>,
    defaults: Vec<Entry>,
    goal: Vec<Span>,
    phase: Option<(i64, Span)>,
    /// Whether the first phase or the first list of tasks is behind us: then there is no goal any more, and no key for the whole plan.
    begun: bool,
    tasks: Vec<Draft>,
    done: Vec<(String, Span)>,
}

/// A task as far as it has been read.
struct Draft {
    span: Span,
    entries: Vec<Entry>,
    /// The tasks that stand within it.
    within: Vec<Node>,
    /// The pieces of its description; whether each is a line of a list.
    description: Vec<(bool, Span, String)>,
}

fn entry(key: &str, key_span: &Span, node: Node) -> Entry {
    Entry { key: key.to_owned(), key_span: key_span.clone(), node }
}

impl Reader<'_, '_> {
    fn block(&mut self, block: Block) {
        match block {
            Block::Heading { span, .. } => self.heading(&span),
            Block::Paragraph(span) => {
                if !self.begun {
                    self.goal.push(span);
                }
            }
            Block::List(items) => self.list(items),
            Block::Code { .. } | Block::Other(_) => {}
        }
    }

    fn heading(&mut self, span: &Span) {
        let Some(number) = phase_number(&self.text[span.clone()]) else { return };
        self.begun = true;
        match number.parse::<i64>() {
            Ok(number) if (1..=i64::from(PHASE_MAX)).contains(&number) => self.phase = Some((number, span.clone())),
            Ok(_) | Err(_) => {
                let message = format!("a phase is numbered from 1 to {PHASE_MAX}, found {}", escaped(number, 20));
                self.found.error(span, message);
            }
        }
    }

    fn list(&mut self, items: Vec<Item>) {
        if !self.begun && self.settings(&items) {
            return;
        }
        self.begun = true;
        for item in items {
            self.item(item, None);
        }
    }

    /// Reads a list before the first task whose lines are all keys of the plan or defaults; `false` when it is another list.
    fn settings(&mut self, items: &[Item]) -> bool {
        let of_plan = PlanKey::ALL.iter().map(|key| key.as_str());
        let of_task = TaskKey::ALL.iter().filter(|key| key.is_default()).map(|key| key.as_str());
        let lines: Option<Vec<KeyLine>> =
            items.iter().map(|item| key_line(self.text, item).filter(|line| item.ticked.is_none() && line.is_certain)).collect();
        let Some(lines) = lines else { return false };
        if !lines.iter().any(|line| nearest::nearest(&line.key, of_plan.clone().chain(of_task.clone())).is_some()) {
            return false;
        }
        for (line, item) in lines.iter().zip(items) {
            let node = self.value(line, &item.blocks);
            let is_of_task = of_task.clone().any(|word| word == line.key);
            let is_of_plan = !is_of_task && nearest::nearest(&line.key, of_plan.clone()).is_some();
            let entries = if is_of_plan { &mut self.entries } else { &mut self.defaults };
            set(entries, &line.key, &line.key_span, node);
        }
        true
    }

    /// An item outside of tasks' own lines: a task, or text that may have tasks in it.
    fn item(&mut self, item: Item, parent: Option<usize>) {
        match item.ticked {
            Some(false) => self.task(item, parent),
            Some(true) => self.done(item, parent),
            None => {
                self.almost(&item);
                self.tasks_within(item.blocks, parent);
            }
        }
    }

    fn tasks_within(&mut self, blocks: Vec<Block>, parent: Option<usize>) {
        for block in blocks {
            if let Block::List(items) = block {
                for item in items {
                    self.item(item, parent);
                }
            }
        }
    }

    /// Reports an item that its author took for a task, and Markdown does not.
    fn almost(&mut self, item: &Item) {
        let text = &self.text[item.text.clone()];
        let is_box =
            ["[ ]", "[]", "[x]", "[X]"].iter().any(|mark| text.strip_prefix(mark).is_some_and(|rest| !rest.starts_with(['(', '['])));
        if is_box {
            self.found.error_with(&item.text, "this line looks like a task and is none", "write '- [ ] ' and then the title");
        }
    }

    fn done(&mut self, item: Item, parent: Option<usize>) {
        let (id, title) = self.id_and_title(&item);
        let id = id.or_else(|| self.id_line(&item));
        let shown = escaped(&one_line(&self.text[title]), 40);
        self.found.warn(&item.text, format!("'{shown}' is ticked off: it is done already and left out"), None);
        self.done.extend(id);
        self.tasks_within(item.blocks, parent);
    }

    /// The id that a task gives itself in a line of its own.
    fn id_line(&self, item: &Item) -> Option<(String, Span)> {
        let lists = item.blocks.iter().filter_map(|block| match block {
            Block::List(items) => Some(items),
            Block::Heading { .. } | Block::Paragraph(_) | Block::Code { .. } | Block::Other(_) => None,
        });
        let line = lists.flatten().filter_map(|item| key_line(self.text, item)).find(|line| line.key == TaskKey::Id.as_str())?;
        let id = without_backticks(self.text[line.value.clone()].trim()).to_owned();
        Some((id, line.value))
    }

    /// The id in backticks that a task begins with, and the place of its title.
    fn id_and_title(&self, item: &Item) -> (Option<(String, Span)>, Span) {
        let Some((span, code)) = &item.code else { return (None, item.text.clone()) };
        let rest = &self.text[span.end..item.text.end.max(span.end)];
        let trimmed = rest.trim_start_matches([' ', '\t', ':', '–', '—']);
        if !is_id(code) || trimmed.trim().is_empty() || rest.len() == trimmed.len() {
            return (None, item.text.clone());
        }
        (Some((code.clone(), span.clone())), item.text.end - trimmed.len()..item.text.end)
    }

    fn task(&mut self, item: Item, parent: Option<usize>) {
        let index = self.tasks.len();
        if index > TASKS_MAX {
            return;
        }
        let (id, title) = self.id_and_title(&item);
        if let Some(parent) = parent {
            let node = Node { span: title.clone(), value: Value::Task(index) };
            self.tasks[parent].within.push(node);
        }
        let mut entries = Vec::new();
        if let Some((id, span)) = id {
            entries.push(entry(TaskKey::Id.as_str(), &span, Node { span: span.clone(), value: Value::Text(id) }));
        }
        let node = Node { span: title.clone(), value: Value::Text(one_line(&self.text[title.clone()])) };
        entries.push(entry(TaskKey::Title.as_str(), &title, node));
        self.tasks.push(Draft { span: item.span, entries, within: Vec::new(), description: Vec::new() });
        for block in item.blocks {
            match block {
                Block::List(items) => items.into_iter().for_each(|item| self.line(item, index)),
                Block::Heading { span, .. } | Block::Paragraph(span) | Block::Code { span, .. } | Block::Other(span) => {
                    self.describe(index, span, false)
                }
            }
        }
        if let Some((phase, span)) = self.phase.clone()
            && !self.tasks[index].entries.iter().any(|entry| entry.key == TaskKey::Phase.as_str())
        {
            let node = Node { span: span.clone(), value: Value::Number(phase) };
            self.tasks[index].entries.push(entry(TaskKey::Phase.as_str(), &span, node));
        }
    }

    fn describe(&mut self, task: usize, span: Span, is_line: bool) {
        let words = dedented(self.text, &span);
        self.tasks[task].description.push((is_line, span, words));
    }

    /// An item within a task: a key, another task, or a line of the description.
    fn line(&mut self, item: Item, task: usize) {
        if item.ticked.is_some() {
            self.item(item, Some(task));
            return;
        }
        // A line such as `Note: …` is no key: only what is written like one, or called like one elsewhere, is.
        let Some(line) = key_line(self.text, &item).filter(|line| line.is_certain) else {
            self.almost(&item);
            if has_task(&item.blocks) {
                let words = format!("- {}", one_line(&self.text[item.text.clone()]));
                self.tasks[task].description.push((true, item.text, words));
                self.tasks_within(item.blocks, Some(task));
            } else {
                self.describe(task, item.span, true);
            }
            return;
        };
        let node = self.value(&line, &item.blocks);
        match (TaskKey::from_word(&line.key), node) {
            (Some(TaskKey::Description), Node { span, value: Value::Text(words) }) => {
                self.tasks[task].description.push((false, span, words))
            }
            (_, node) => set(&mut self.tasks[task].entries, &line.key, &line.key_span, node),
        }
    }

    /// The value of a key: the rest of its line, else the list or the code block below it.
    fn value(&self, line: &KeyLine, below: &[Block]) -> Node {
        let key = TaskKey::from_word(&line.key);
        let span = line.value.clone();
        let raw = &self.text[span.clone()];
        let rest = raw.trim();
        let node =
            |span: &Span, words: &str| Node { span: span.clone(), value: Value::Text(without_backticks(&one_line(words)).to_owned()) };
        if rest.is_empty() {
            for block in below {
                match block {
                    Block::List(items) => {
                        return Node {
                            span,
                            value: Value::List(items.iter().map(|item| node(&item.text, &self.text[item.text.clone()])).collect()),
                        };
                    }
                    Block::Code { span, body } => return Node { span: span.clone(), value: Value::Text(body.trim_end().to_owned()) },
                    Block::Paragraph(span) => return node(span, &self.text[span.clone()]),
                    Block::Heading { .. } | Block::Other(_) => {}
                }
            }
        }
        if key.is_some_and(TaskKey::is_number)
            && let Ok(number) = without_backticks(rest).parse()
        {
            return Node { span, value: Value::Number(number) };
        }
        if key.is_some_and(TaskKey::is_words) {
            let parts = between_commas(raw).into_iter().filter(|part| !raw[part.clone()].trim().is_empty());
            let nodes = parts.map(|part| node(&(span.start + part.start..span.start + part.end), &raw[part])).collect();
            return Node { span, value: Value::List(nodes) };
        }
        let single = node(&span, raw);
        if key.is_some_and(TaskKey::is_list) { Node { span, value: Value::List(vec![single]) } } else { single }
    }

    fn finish(mut self) -> Tree {
        if let (Some(first), Some(last)) = (self.goal.first(), self.goal.last()) {
            let span = first.start..last.end;
            let words: Vec<String> = self.goal.iter().map(|span| dedented(self.text, span)).collect();
            let node = Node { span: span.clone(), value: Value::Text(words.join("\n\n")) };
            self.entries.push(entry(PlanKey::Goal.as_str(), &span, node));
        }
        if let Some(first) = self.defaults.first() {
            let span = first.key_span.clone();
            let node = Node { span: span.clone(), value: Value::Table(self.defaults) };
            self.entries.push(entry(PlanKey::Defaults.as_str(), &span, node));
        }
        let tasks: Vec<Node> = self.tasks.into_iter().map(Draft::finish).collect();
        if let Some(first) = tasks.first() {
            let span = first.span.clone();
            self.entries.push(entry(PlanKey::Task.as_str(), &span, Node { span: span.clone(), value: Value::List(tasks) }));
        }
        Tree { entries: self.entries, done: self.done, partial: false }
    }
}

impl Draft {
    fn finish(mut self) -> Node {
        let mut description = String::new();
        let mut after_line = false;
        for (is_line, _, words) in &self.description {
            if !description.is_empty() {
                description.push_str(if after_line && *is_line { "\n" } else { "\n\n" });
            }
            description.push_str(words);
            after_line = *is_line;
        }
        if let (Some((_, first, _)), Some((_, last, _))) = (self.description.first(), self.description.last()) {
            let span = first.start..last.end.max(first.end);
            self.entries.push(entry(TaskKey::Description.as_str(), &span, Node { span: span.clone(), value: Value::Text(description) }));
        }
        if let Some(first) = self.within.first() {
            let span = first.span.clone();
            let within = Node { span: span.clone(), value: Value::List(self.within) };
            set(&mut self.entries, TaskKey::After.as_str(), &span, within);
        }
        Node { span: self.span, value: Value::Table(self.entries) }
    }
}

/// Adds a key; one that takes a list may be given several times.
fn set(entries: &mut Vec<Entry>, key: &str, key_span: &Span, node: Node) {
    if TaskKey::from_word(key).is_some_and(TaskKey::is_list)
        && let Some(before) = entries.iter_mut().find(|entry| entry.key == key)
        && let Value::List(values) = &mut before.node.value
    {
        match node.value {
            Value::List(more) => values.extend(more),
            value @ (Value::Text(_) | Value::Number(_) | Value::Table(_) | Value::Task(_) | Value::Other(_)) => {
                values.push(Node { span: node.span, value })
            }
        }
        return;
    }
    entries.push(entry(key, key_span, node));
}

fn has_task(blocks: &[Block]) -> bool {
    blocks.iter().any(|block| match block {
        Block::List(items) => items.iter().any(|item| item.ticked.is_some() || has_task(&item.blocks)),
        Block::Heading { .. } | Block::Paragraph(_) | Block::Code { .. } | Block::Other(_) => false,
    })
}
