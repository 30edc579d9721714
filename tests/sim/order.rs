//! One order for all: of each room's messages, joins and ends there must be an order that agrees
//! with the clock, with what each client sent, and with what each member received.
//!
//! Each is a node of a graph, and so is each moment. An edge leads from what came before to what
//! came after. A member that received a message came before it and ended after it; one that did not
//! receive it came after it or ended before it. There is an order when the graph has no circle.

use crate::model::{Holds, Model, Moment};
use crate::shadow::Membership;
use std::collections::BTreeMap;

/// What happened in one room.
#[derive(Default)]
struct Graph {
    /// The nodes that come after each node.
    after: Vec<Vec<usize>>,
    /// What each node is.
    names: Vec<String>,
    /// The begin of each moment.
    moments: BTreeMap<Moment, usize>,
}

impl Graph {
    fn node(&mut self, name: String) -> usize {
        self.names.push(name);
        self.after.push(Vec::new());
        self.names.len() - 1
    }

    fn edge(&mut self, before: usize, after: usize) {
        self.after[before].push(after);
    }

    fn begin(&mut self, moment: Moment) -> usize {
        if let Some(node) = self.moments.get(&moment) {
            return *node;
        }
        let node = self.node(format!("moment {moment}"));
        self.moments.insert(moment, node);
        node
    }

    /// The node happens not before this moment begins, and before that one is over.
    fn within(&mut self, node: usize, first: Moment, last: Option<Moment>) {
        let begin = self.begin(first);
        self.edge(begin, node);
        if let Some(last) = last {
            let end = self.begin(last + 1);
            self.edge(node, end);
        }
    }

    /// Asserts that there is an order.
    fn check(mut self, room: usize) {
        let moments: Vec<usize> = self.moments.values().copied().collect();
        moments.windows(2).for_each(|two| self.edge(two[0], two[1]));
        let mut before = vec![0; self.names.len()];
        self.after.iter().flatten().for_each(|node| before[*node] += 1);
        let mut free: Vec<usize> = (0..before.len()).filter(|node| before[*node] == 0).collect();
        while let Some(node) = free.pop() {
            for next in &self.after[node] {
                before[*next] -= 1;
                if before[*next] == 0 {
                    free.push(*next);
                }
            }
        }
        if let Some(first) = before.iter().position(|count| *count > 0) {
            panic!("there is no order in room {room}: {}", self.circle(first, &before).join(" < "));
        }
    }

    /// A circle among the nodes that have something before them.
    fn circle(&self, first: usize, before: &[usize]) -> Vec<&str> {
        let comes_before = |node: usize| {
            let is_it = |one: &usize| before[*one] > 0 && self.after[*one].contains(&node);
            (0..before.len()).find(is_it).expect("something is before it")
        };
        let mut path = vec![first];
        loop {
            let node = comes_before(path[path.len() - 1]);
            if let Some(at) = path.iter().position(|one| *one == node) {
                let circle = path[at..].iter().rev();
                return circle.map(|node| self.names[*node].as_str()).collect();
            }
            path.push(node);
        }
    }
}

impl Model {
    /// Asserts that there is one order of all that happened in a room.
    pub fn check_order(&self, room: usize) {
        let mut graph = Graph::default();
        let mut nodes = BTreeMap::new();
        for (id, message) in self.messages.iter().enumerate() {
            if message.room == room && message.known.is_some() {
                let node = graph.node(format!("message {id} of {}", message.by));
                graph.within(node, message.arrived, message.known);
                nodes.insert(id, node);
            }
        }
        let known = |id: &&usize| nodes.contains_key(*id);
        for posts in self.posts.values() {
            let own: Vec<usize> = posts.iter().filter(known).copied().collect();
            own.windows(2).for_each(|two| graph.edge(nodes[&two[0]], nodes[&two[1]]));
        }
        for (number, shadow) in self.shadows.iter().enumerate() {
            let own: Vec<usize> = shadow.messages.iter().filter(known).copied().collect();
            own.windows(2).for_each(|two| graph.edge(nodes[&two[0]], nodes[&two[1]]));
            for membership in shadow.memberships.iter().filter(|one| one.room == room) {
                if membership.is_admitted {
                    self.place(&mut graph, &nodes, number, membership);
                }
            }
        }
        graph.check(room);
    }

    /// What a member received, and what it did not.
    fn place(
        &self,
        graph: &mut Graph,
        nodes: &BTreeMap<usize, usize>,
        number: usize,
        membership: &Membership,
    ) {
        let shadow = &self.shadows[number];
        let join = graph.node(format!("{number} joins"));
        // A member that resumes joined earlier, as far as it can tell.
        let first = if membership.last.is_some() { 0 } else { membership.from };
        graph.within(join, first, Some(membership.from));
        let end = graph.node(format!("{number} ends"));
        graph.within(end, membership.from, membership.until);
        let mut last = join;
        for id in membership.received.iter().filter(|id| nodes.contains_key(*id)) {
            graph.edge(last, nodes[id]);
            last = nodes[id];
        }
        graph.edge(last, end);
        for (id, node) in nodes {
            let message = &self.messages[*id];
            let is_own = (message.by == number && message.echoes != Holds::Yes)
                || self.excepted.get(id) == Some(&number);
            let may_be_skipped = self.skips && shadow.ever_blocked;
            if is_own || may_be_skipped || shadow.has_received.contains(id) {
                continue;
            }
            if membership.until.is_none() {
                graph.edge(*node, join);
            } else if membership.was_taken && message.arrived > membership.from {
                graph.edge(last, *node); // nothing is lost but what was pending
            } else if message.arrived > membership.from {
                graph.edge(end, *node);
            }
        }
    }

    /// Asserts that no room had more members than its rule takes when somebody came in. A member is
    /// known to have been there until what it received last had arrived.
    pub fn check_members(&self) {
        let admitted = || {
            let all = self.shadows.iter().flat_map(|shadow| &shadow.memberships);
            all.filter(|one| one.is_admitted)
        };
        for newcomer in admitted() {
            let was_there = admitted().filter(|one| {
                let last = one.received.last();
                let last = last.map_or(one.from, |id| self.messages[*id].arrived);
                one.room == newcomer.room
                    && one.from < newcomer.from
                    && (one.until.is_none() || last > newcomer.from)
            });
            let members = was_there.count();
            assert!(members < newcomer.members_max, "one too many in room {}", newcomer.room);
        }
    }
}
