/* The two hot loops of the packing: greedy placement and the depth-first search.
 *
 * The same steps in the same order as greedy.py and depth_first.py, which are the reference and say why each
 * step is right; a test holds both to equal answers and equal node counts. C99, no dependencies, no globals.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int64_t i64;
typedef uint64_t u64;

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif

enum { NONE = 0, FOUND = 1, LIMIT = 2, NO_MEMORY = 3 };
enum { BLOCK = 64, FEW = 4096 };

/* Must equal VERSION in compiled.py: a library of another version is not used. */
EXPORT i64 core_version(void) { return 2; }

static i64 max_of(i64 a, i64 b) { return a > b ? a : b; }

/* ---- greedy placement ---- */

typedef struct {
    i64 offset, top;
} Span;

static int by_offset(const void *a, const void *b) {
    i64 x = ((const Span *)a)->offset, y = ((const Span *)b)->offset;
    return (x > y) - (x < y);
}

static i64 gap_for(const Span *spans, i64 count, i64 size, int best_fit) {
    i64 floor = 0, best_gap = -1, best_at = 0;
    for (i64 k = 0; k < count; k++) {
        i64 gap = spans[k].offset - floor;
        if (gap >= size && (best_gap < 0 || gap < best_gap)) {
            best_gap = gap;
            best_at = floor;
            if (!best_fit) break;
        }
        floor = max_of(floor, spans[k].top);
    }
    return best_gap < 0 ? floor : best_at;
}

typedef struct {
    i64 offset, top, first, end;
} Placed;

/* Up to FEW rectangles: those that are placed stand in one list, lowest first. */
static i64 place_few(i64 count, const i64 *first, const i64 *end, const i64 *size, const i64 *order, int best_fit,
                     i64 *offset) {
    Placed *placed = malloc(sizeof(Placed) * ((size_t)count + 1));
    Span *spans = malloc(sizeof(Span) * ((size_t)count + 1));
    i64 status = placed && spans ? FOUND : NO_MEMORY;
    for (i64 step = 0; status == FOUND && step < count; step++) {
        i64 item = order[step], met = 0, at = step;
        for (i64 k = 0; k < step; k++)
            if (placed[k].first < end[item] && first[item] < placed[k].end) {
                spans[met].offset = placed[k].offset;
                spans[met++].top = placed[k].top;
            }
        offset[item] = gap_for(spans, met, size[item], best_fit);
        while (at > 0 && placed[at - 1].offset > offset[item]) {
            placed[at] = placed[at - 1];
            at--;
        }
        placed[at] = (Placed){offset[item], offset[item] + size[item], first[item], end[item]};
    }
    free(placed);
    free(spans);
    return status;
}

/* Many: neighbours are found by blocks of BLOCK that start one after the other. */
static i64 place_many(i64 count, const i64 *first, const i64 *end, const i64 *size, const i64 *order,
                      int best_fit, i64 *offset) {
    i64 *ends = malloc(sizeof(i64) * (size_t)count); /* of what is placed; before every start elsewhere */
    i64 *block_end = malloc(sizeof(i64) * ((size_t)count / BLOCK + 1));
    Span *spans = malloc(sizeof(Span) * (size_t)count);
    i64 status = ends && block_end && spans ? FOUND : NO_MEMORY;
    for (i64 k = 0; status == FOUND && k < count; k++) ends[k] = block_end[k / BLOCK] = INT64_MIN;
    for (i64 step = 0; status == FOUND && step < count; step++) {
        i64 item = order[step], met = 0;
        i64 low = 0, high = count; /* how many start before this one ends */
        while (low < high) {
            i64 middle = (low + high) / 2;
            if (first[middle] < end[item]) low = middle + 1;
            else high = middle;
        }
        for (i64 block = 0; block * BLOCK < low; block++) {
            if (block_end[block] <= first[item]) continue;
            i64 stop = (block + 1) * BLOCK < low ? (block + 1) * BLOCK : low;
            for (i64 other = block * BLOCK; other < stop; other++)
                if (ends[other] > first[item]) {
                    spans[met].offset = offset[other];
                    spans[met++].top = offset[other] + size[other];
                }
        }
        qsort(spans, (size_t)met, sizeof(Span), by_offset);
        offset[item] = gap_for(spans, met, size[item], best_fit);
        ends[item] = end[item];
        block_end[item / BLOCK] = max_of(block_end[item / BLOCK], end[item]);
    }
    free(ends);
    free(block_end);
    free(spans);
    return status;
}

/* Rectangles come sorted by their first time; `order` holds positions in that sequence. */
EXPORT i64 place(i64 count, const i64 *first, const i64 *end, const i64 *size, const i64 *order, i64 best_fit,
                 i64 *offset) {
    return count <= FEW ? place_few(count, first, end, size, order, best_fit != 0, offset)
                        : place_many(count, first, end, size, order, best_fit != 0, offset);
}

/* ---- depth-first search ---- */

typedef struct {
    i64 members, count;   /* the unplaced of this component: a range of `arena` */
    i64 offset, rank;     /* of what was placed last */
    i64 owner, pending;   /* the node that made the component; the components that wait, as a list */
    i64 choices, width;   /* whom to place here: a range of `arena` */
    i64 next, trail;      /* the next choice; where its changes begin */
    int opened;
} Node;

typedef struct {
    i64 members, count, offset, rank, owner, next;
} Component;

typedef struct {
    i64 item, lowest; /* the item's lowest offset before the change; -1: it was placed */
} Change;

typedef struct {
    const i64 *first, *last, *size, *twin;
    i64 room;
    i64 *lowest, *effective, *ends, *sorted, *by_offset, *slots, *wanted, *blocked, *placed, *state;
    i64 *arena, arena_size, arena_top;
    Change *trail;
    i64 trail_size, trail_top;
    i64 *dead, *store; /* where in `store` a dead state begins, by hash, 0: nowhere; its length stands before it */
    i64 mask, store_size, dead_count, store_top;
} Search;

static int meet(const Search *s, i64 a, i64 b) {
    return s->first[a] <= s->last[b] && s->first[b] <= s->last[a];
}

/* Find the place of `state` in the table, or the free place that it would take; whole states are compared. */
static i64 slot_of(const Search *s, i64 length) {
    u64 key = 0;
    for (i64 k = 0; k < length; k++) {
        key = (key ^ (u64)s->state[k]) * 0x9E3779B97F4A7C15ULL;
        key ^= key >> 32;
    }
    i64 slot = (i64)(key & (u64)s->mask);
    for (; s->dead[slot]; slot = (slot + 1) & s->mask) {
        const i64 *known = s->store + s->dead[slot];
        if (known[-1] == length && !memcmp(known, s->state, sizeof(i64) * (size_t)length)) break;
    }
    return slot;
}

/* Find who is blocked, and write what decides the future to `state`; give the lowest top. */
static i64 describe(Search *s, const Node *node) {
    const i64 *members = s->arena + node->members;
    i64 all = INT64_MAX, of_blocked = INT64_MAX;
    for (i64 k = 0; k < node->count; k++) {
        i64 item = members[k], low = s->lowest[item], top = low + s->size[item];
        if (top < all) all = top;
        s->blocked[item] = low < node->offset || (low == node->offset && item <= node->rank);
        if (s->blocked[item] && top < of_blocked) of_blocked = top;
        s->state[k] = item;
        s->state[node->count + k] = s->blocked[item] ? -1 : low;
    }
    s->state[2 * node->count] = of_blocked;
    return all;
}

static void remember(Search *s, const Node *node) {
    i64 length = 2 * node->count + 1;
    describe(s, node);
    i64 slot = slot_of(s, length);
    if (s->dead[slot] || 2 * s->dead_count > s->mask || s->store_top + length + 1 > s->store_size) return;
    s->store[s->store_top] = length;
    s->dead[slot] = s->store_top + 1;
    memcpy(s->store + s->dead[slot], s->state, sizeof(i64) * (size_t)length);
    s->store_top += length + 1;
    s->dead_count++;
}

/* Raise what is blocked to the lowest top that can lift it; 0 where nothing can. */
static int lift(Search *s, const Node *node) {
    const i64 *members = s->arena + node->members;
    for (i64 k = 0; k < node->count; k++) s->effective[members[k]] = max_of(s->lowest[members[k]], node->offset);
    for (i64 k = 0; k < node->count; k++) s->ends[members[k]] = s->effective[members[k]] + s->size[members[k]];
    for (i64 k = 0; k < node->count; k++) {
        i64 item = members[k], low = INT64_MAX;
        if (!s->blocked[item]) continue;
        for (i64 j = 0; j < node->count; j++) {
            i64 other = members[j];
            if (other != item && s->ends[other] < low && meet(s, item, other)) low = s->ends[other];
        }
        if (low == INT64_MAX) return 0;
        s->effective[item] = low;
    }
    return 1;
}

/* Sort the node's items by effective offset. `by_offset` holds all items as they were sorted last, so that little
 * is out of order; ties may stand in any order. */
static void sort_members(Search *s, const Node *node) {
    const i64 *members = s->arena + node->members;
    i64 found = 0;
    for (i64 k = 0; k < node->count; k++) s->wanted[members[k]] = 1;
    for (i64 k = 0; found < node->count; k++) {
        i64 item = s->by_offset[k], at = found;
        if (!s->wanted[item]) continue;
        s->wanted[item] = 0;
        s->slots[found++] = k;
        while (at > 0 && s->effective[s->sorted[at - 1]] > s->effective[item]) {
            s->sorted[at] = s->sorted[at - 1];
            at--;
        }
        s->sorted[at] = item;
    }
    for (i64 k = 0; k < found; k++) s->by_offset[s->slots[k]] = s->sorted[k];
}

static int overfull(Search *s, const Node *node, i64 *level) {
    const i64 *members = s->arena + node->members;
    i64 from = INT64_MAX, to = -1;
    sort_members(s, node);
    for (i64 k = 0; k < node->count; k++) {
        if (s->first[members[k]] < from) from = s->first[members[k]];
        to = max_of(to, s->last[members[k]]);
    }
    for (i64 section = from; section <= to; section++) level[section] = 0;
    for (i64 k = 0; k < node->count; k++) {
        i64 item = s->sorted[k];
        for (i64 section = s->first[item]; section <= s->last[item]; section++) {
            level[section] = max_of(level[section], s->effective[item]) + s->size[item];
            if (level[section] > s->room) return 1;
        }
    }
    return 0;
}

static int grow(Search *s, i64 more) {
    if (s->arena_top + more > s->arena_size) {
        i64 size = 2 * (s->arena_top + more);
        i64 *arena = realloc(s->arena, sizeof(i64) * (size_t)size);
        if (!arena) return 0;
        s->arena = arena;
        s->arena_size = size;
    }
    if (s->trail_top + more > s->trail_size) {
        i64 size = 2 * (s->trail_top + more);
        Change *trail = realloc(s->trail, sizeof(Change) * (size_t)size);
        if (!trail) return 0;
        s->trail = trail;
        s->trail_size = size;
    }
    return 1;
}

static void open_node(Search *s, Node *node, i64 *level) {
    i64 below = describe(s, node), width = 0;
    node->opened = 1;
    node->choices = s->arena_top;
    node->width = node->next = 0;
    if (s->dead[slot_of(s, 2 * node->count + 1)] || !lift(s, node) || overfull(s, node, level)) return;
    const i64 *members = s->arena + node->members;
    i64 *choices = s->arena + node->choices;
    for (i64 k = 0; k < node->count; k++) {
        i64 item = members[k], at = width;
        if (s->blocked[item] || s->lowest[item] >= below) continue;
        if (s->twin[item] >= 0 && !s->placed[s->twin[item]]) continue;
        while (at > 0 && (s->lowest[choices[at - 1]] > s->lowest[item] ||
                          (s->lowest[choices[at - 1]] == s->lowest[item] && choices[at - 1] > item))) {
            choices[at] = choices[at - 1];
            at--;
        }
        choices[at] = item;
        width++;
    }
    node->width = width;
    s->arena_top += width;
}

static void change(Search *s, i64 item, i64 lowest) {
    s->trail[s->trail_top].item = item;
    s->trail[s->trail_top++].lowest = lowest;
}

static void put(Search *s, const Node *node, i64 item, i64 offset) {
    const i64 *members = s->arena + node->members;
    i64 top = offset + s->size[item];
    s->placed[item] = 1;
    change(s, item, -1);
    for (i64 k = 0; k < node->count; k++) {
        i64 other = members[k];
        if (other == item || s->lowest[other] >= top || !meet(s, item, other)) continue;
        change(s, other, s->lowest[other]);
        s->lowest[other] = top;
    }
}

static void undo(Search *s, i64 to) {
    while (s->trail_top > to) {
        Change *last = &s->trail[--s->trail_top];
        if (last->lowest < 0) s->placed[last->item] = 0;
        else s->lowest[last->item] = last->lowest;
    }
}

/* Items are numbered by rank and span the sections first..last, both included. `dead` has mask + 1 places for the
 * states known to be dead, which stand in `store`; `known` is how many, and how far that is full, before and after. */
EXPORT i64 search(i64 count, i64 sections, const i64 *first, const i64 *last, const i64 *size, const i64 *twin,
                  const i64 *by_first, i64 room, i64 node_limit, i64 *dead, i64 mask, i64 *store,
                  i64 store_size, i64 *known, i64 *offsets, i64 *node_count) {
    Search s;
    memset(&s, 0, sizeof s);
    s.first = first;
    s.last = last;
    s.size = size;
    s.twin = twin;
    s.room = room;
    size_t bytes = sizeof(i64) * ((size_t)count + 1);
    i64 *level = malloc(sizeof(i64) * ((size_t)sections + 1));
    Node *stack = malloc(sizeof(Node) * ((size_t)count + 2));
    Component *waiting = malloc(sizeof(Component) * (2 * (size_t)count + 4));
    s.lowest = calloc(1, bytes);
    s.placed = calloc(1, bytes);
    s.effective = malloc(bytes);
    s.ends = malloc(bytes);
    s.sorted = malloc(bytes);
    s.by_offset = malloc(bytes);
    s.slots = malloc(bytes);
    s.wanted = calloc(1, bytes);
    s.blocked = malloc(bytes);
    s.state = malloc(2 * bytes);
    s.dead = dead;
    s.mask = mask;
    s.store = store;
    s.store_size = store_size;
    s.dead_count = known[0];
    s.store_top = known[1];
    i64 nodes = 0, depth = 0, status = NO_MEMORY;
    if (!level || !stack || !waiting || !s.lowest || !s.placed || !s.effective || !s.ends || !s.sorted ||
        !s.by_offset || !s.slots || !s.wanted || !s.blocked || !s.state || !grow(&s, 4 * count + 4))
        goto done;
    memcpy(s.arena, by_first, sizeof(i64) * (size_t)count);
    memcpy(s.by_offset, by_first, sizeof(i64) * (size_t)count);
    s.arena_top = count;
    stack[0] = (Node){0, count, 0, -1, -1, -1, 0, 0, 0, 0, 0};
    for (;;) {
        Node *node = &stack[depth];
        if (!node->opened) {
            if (nodes >= node_limit) {
                status = LIMIT;
                break;
            }
            nodes++;
            if (!grow(&s, 3 * count + 3)) break;
            open_node(&s, node, level);
        }
        if (node->next >= node->width) {
            if (node->width) remember(&s, node); /* what is cut at once is as quickly cut again */
            depth = node->owner;
            if (depth < 0) {
                status = NONE;
                break;
            }
            undo(&s, stack[depth].trail);
            s.arena_top = stack[depth].choices + stack[depth].width;
            continue;
        }
        i64 item = s.arena[node->choices + node->next++], offset = s.lowest[item];
        offsets[item] = offset;
        node->trail = s.trail_top;
        put(&s, node, item, offset);
        i64 reach = -1, pending = node->pending;
        for (i64 k = 0; k < node->count; k++) {
            i64 other = s.arena[node->members + k];
            if (other == item) continue;
            if (reach < first[other]) {
                waiting[pending + 1] = (Component){s.arena_top, 0, offset, item, depth, pending};
                pending++;
            }
            s.arena[s.arena_top++] = other;
            waiting[pending].count++;
            reach = max_of(reach, last[other]);
        }
        if (pending < 0) {
            status = FOUND;
            break;
        }
        Component next = waiting[pending];
        stack[++depth] = (Node){next.members, next.count, next.offset, next.rank, next.owner, next.next,
                                0, 0, 0, s.trail_top, 0};
    }
    known[0] = s.dead_count;
    known[1] = s.store_top;
done:
    *node_count = nodes;
    free(level);
    free(stack);
    free(waiting);
    free(s.lowest);
    free(s.placed);
    free(s.effective);
    free(s.ends);
    free(s.sorted);
    free(s.by_offset);
    free(s.slots);
    free(s.wanted);
    free(s.blocked);
    free(s.state);
    free(s.arena);
    free(s.trail);
    return status;
}
