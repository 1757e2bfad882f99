/* Claim, lease and round: 2 workers, 2 members, 2 rounds, 2 closers, one bucket. docs/model.md explains it.
 *
 * A step of the model is a request that takes effect, as S3 does it: at once or not at all. A process may be killed
 * between any two steps. A poll that finds nothing changes nothing, so it is written as waiting; then every run is
 * finite, and "every run ends well" is the absence of invalid end states (and of cycles, which pan -l checks).
 *
 * Budgets bound what goes wrong in one run; each may be set with -D.
 */

#ifndef CRASHES
#define CRASHES 1    /* processes killed, at any step; the second worker and the second closer may stay dead, the others start again */
#endif
#ifndef ZOMBIES
#define ZOMBIES 1    /* leases that run out while their owner lives on */
#endif
#ifndef UNCLEAR
#define UNCLEAR 1    /* answers lost, and creations that land only after the client has given up */
#endif
#ifndef DEADLINES
#define DEADLINES 1  /* rounds closed by round_timeout, without waiting for all members */
#endif

#define MEMBERS 2
#define ROUNDS 2
#define ALL 3                /* the set of all members */
#define BIT(i) (1 << (i))
#define ATTEMPTS 12
#define NOBODY 255

/* -- the bucket: a key that exists holds something else than 0 ---------------------------------------------------- */

byte top[MEMBERS];           /* jobs/in_progress/<m>/claim-*: the highest attempt */
byte holder[MEMBERS];        /* who is named in the highest claim */
bool released[MEMBERS];      /* released-<top> */
byte states[MEMBERS];        /* results/<m>/state/: the set of rounds */
byte updates[ROUNDS + 1];    /* rounds/<r>/updates/: the set of members */
byte decision[ROUNDS + 1];   /* rounds/<r>/round.json: the set of members it lists */
byte weights[ROUNDS + 1];    /* rounds/<r>/global_weights.safetensors: the set of members that were averaged */
bool result[MEMBERS];        /* results/<m>/result.json */
bool outcome;                /* outcome.json */

/* -- what no process in the system can see ------------------------------------------------------------------------------ */

byte owner_of[2] = NOBODY;   /* the member that a worker believes to own */
byte attempt_of[2];          /* and its attempt */
byte dying = NOBODY;         /* the process that is being killed: workers 1 and 2, closers 3 and 4 */
bool timed_out[ROUNDS + 1];  /* whether round_timeout has passed, for all who ask */
byte crashes = CRASHES;
byte zombies = ZOMBIES;
byte unclear = UNCLEAR;
byte deadlines = DEADLINES;

mtype = { none, claim, update, decide, average };
mtype late = none;           /* a creation under way that its client knows nothing of any more */
byte late_key, late_whose, late_body;

#define works_on(w, m) (owner_of[w] == m && attempt_of[w] == top[m])
#ifdef NO_TAKEOVER
#define alive(m) (top[m] > 0 && !released[m])
#else
#define alive(m) (top[m] > 0 && !released[m] && works_on(holder[m], m))
#endif

/* -- creations: atomic, and only where the key is free -------------------------------------------------------------- */

inline put_claim(m, n, who) {
	if
	:: n > top[m] -> top[m] = n; holder[m] = who; released[m] = false; assert(n < ATTEMPTS)
#ifdef PLAIN_CLAIM
	:: n == top[m] -> holder[m] = who
#endif
	:: else
	fi
}

inline put_update(r, m) {
	assert(states[m] & BIT(r)); /* state before update */
	updates[r] = updates[r] | BIT(m)
}

inline put_decision(r, listed) {
	if
	:: decision[r] == 0 -> decision[r] = listed
#ifdef PLAIN_DECISION
	:: decision[r] != 0 -> assert(decision[r] == listed); decision[r] = listed
#endif
	:: else
	fi
}

inline put_weights(r, averaged) {
	/* One average, of exactly what the one decision lists; nothing it lists is lost. */
	assert(decision[r] != 0 && averaged == decision[r] && (averaged & updates[r]) == averaged);
	assert(weights[r] == 0 || weights[r] == averaged);
	assert(r == 1 || weights[r - 1] != 0);
	weights[r] = averaged
}

/* The client gives up and its creation lands later, or never (if the run ends before). */
inline under_way(what, key, whose, body) {
	unclear > 0 && late == none -> unclear--; late = what; late_key = key; late_whose = whose; late_body = body
}

proctype network() provided (dying == NOBODY) {
end:	do
	:: atomic {
		late == claim -> put_claim(late_key, late_whose, late_body); late = none
	}
	:: atomic {
		late == update -> put_update(late_whose, late_key); late = none
	}
	:: atomic {
		late == decide -> put_decision(late_whose, late_body); late = none
	}
	:: atomic {
		late == average -> put_weights(late_whose, late_body); late = none
	}
	od
}

proctype killer() {
end:	do
	:: atomic {
		dying == NOBODY && crashes > 0 -> crashes--;
		if
		:: dying = 1
		:: dying = 2
		:: dying = 3
		:: dying = 4
		fi
	}
	od
}

/* A killed process takes no further step, so no process moves before it is dead. */
#define may_move (dying == NOBODY || dying == _pid)

/* -- a worker: protocol/worker/ and protocol/jobs/ ------------------------------------------------------------------- */

#define newest(m) ((states[m] & BIT(2)) -> 2 : ((states[m] & BIT(1)) -> 1 : 0))
#define closed (weights[2] -> 2 : (weights[1] -> 1 : 0))

inline look_at(x) { /* a job without a result whose owner is silent, or seems to be */
	!result[x] && (!alive(x) || zombies > 0) ->
	if
	:: alive(x) -> zombies--
	:: else
	fi;
	next = x; seen = top[x]; found = newest(x)
}

inline own(m, n) {
	owner_of[me] = m; attempt_of[me] = n;
	/* An attempt has one owner. */
	assert(n != top[m] || result[m] || !(owner_of[1 - me] == m && attempt_of[1 - me] == n))
}

inline clear(m) {
	top[m] = 0; holder[m] = 0; released[m] = false
}

proctype worker(byte me) provided (may_move) {
	byte m, attempt, next, seen, found, done, round;
	bool won;
	{
	skip;
idle:	atomic { owner_of[me] = NOBODY; attempt_of[me] = 0; m = 0; attempt = 0; next = 0; seen = 0; found = 0; done = 0; round = 0 };
look:	if
	:: atomic { result[0] && result[1] -> goto over }
	:: atomic { look_at(0) }
	:: atomic { look_at(1) }
	fi;

take:	/* create claim-<seen + 1>, then ask for the result: the job may have ended since it was looked at */
	if
	:: atomic {
		won = seen == top[next];
#if defined(PLAIN_CLAIM) || defined(TAKEN_IS_WON)
		won = true;
#endif
		put_claim(next, seen + 1, me);
#ifdef NO_NONCE
		if
		:: won && unclear > 0 -> unclear--; won = false /* told 412 by the retry, after a lost answer */
		:: true
		fi;
#endif
		if
		:: won && result[next] -> clear(next); won = false
		:: won && !result[next] -> own(next, seen + 1)
		:: else
		fi
	}
	:: atomic { under_way(claim, next, seen + 1, me) }
	fi;
	if
	:: atomic { won && attempt > 0 -> /* a sibling is taken: now let go of the job that waits */
		if
		:: top[m] == attempt -> released[m] = true
		:: else
		fi }
	:: atomic { won && attempt == 0 }
	:: atomic { !won && attempt > 0 -> next = 0; seen = 0; found = 0; goto wait }
	:: atomic { !won && attempt == 0 -> next = 0; seen = 0; found = 0; goto look }
	fi;
	atomic { m = next; attempt = seen + 1; next = 0; seen = 0; won = false };

resume:	atomic { done = found; round = done; found = 0 };
	if
	:: atomic { done > 0 -> goto publish }
	:: atomic { done == 0 }
	fi;
	atomic { round = closed };
	if
	:: atomic { round > 0 -> goto overtaken }
	:: atomic { round == 0 }
	fi;

train:	/* the state of a round, when it is trained; then its update */
	if
	:: atomic { round == ROUNDS -> goto finish }
#ifdef UPDATE_FIRST
	:: atomic { round < ROUNDS -> round++; put_update(round, m) }
#else
	:: atomic { round < ROUNDS -> round++; states[m] = states[m] | BIT(round) }
#endif
	:: atomic { top[m] != attempt -> goto idle } /* it notices that it lost the job; it need not */
	fi;
#ifdef UPDATE_FIRST
	atomic { states[m] = states[m] | BIT(round); goto wait };
#endif

publish:
	if
	:: atomic { put_update(round, m) }
	:: atomic { under_way(update, m, round, 0); goto idle }
	fi;

wait:	if
	:: atomic { round == ROUNDS -> goto finish } /* no member waits for the last average */
	:: atomic { round < ROUNDS && weights[round] -> goto train }
	:: atomic { round < ROUNDS && closed > round -> done = round; round = closed }
#ifndef NO_SIBLINGS
	:: atomic { round < ROUNDS && !weights[round] && !(updates[round] & BIT(1 - m)) && !alive(1 - m) -> look_at(1 - m); goto take }
#endif
	:: atomic { round < ROUNDS && top[m] != attempt -> goto idle }
	fi;

overtaken: /* rounds closed meanwhile: an attempt before this one may have gone further */
	atomic { found = newest(m) };
	if
	:: atomic { found > done -> goto resume }
	:: atomic { found <= done -> found = 0; goto train }
	fi;

finish:	atomic { result[m] = true };
	atomic { clear(m); goto idle }
	} unless { atomic { dying == _pid -> dying = NOBODY; owner_of[me] = NOBODY; attempt_of[me] = 0; won = false } };
	if
	:: goto idle
	:: me == 1
	fi;
over:	atomic { owner_of[me] = NOBODY; attempt_of[me] = 0 };
end:	do
	:: atomic { dying == _pid -> dying = NOBODY }
	od
}

/* -- a closer: protocol/rounds/ -------------------------------------------------------------------------------------- */

proctype closer() provided (may_move) {
	byte round, mine, listed;
	bool won;
	{
	skip;
start:	atomic { round = closed + 1; mine = 0; listed = 0; won = false };
step:	if
	:: atomic { round > ROUNDS -> goto finish }
	:: atomic { round <= ROUNDS && updates[round] == ALL -> mine = ALL }
	:: atomic { round <= ROUNDS && updates[round] != 0 && updates[round] != ALL && (timed_out[round] || deadlines > 0) ->
		if
		:: timed_out[round]
		:: !timed_out[round] -> deadlines--; timed_out[round] = true
		fi;
		mine = updates[round] }
	fi;
#ifdef AVERAGE_FIRST
	atomic { put_weights(round, mine) };
#endif
	if
	:: atomic {
		won = (decision[round] == 0);
#if defined(PLAIN_DECISION) || defined(TAKEN_IS_WON)
		won = true;
#endif
		put_decision(round, mine);
#ifdef NO_NONCE
		if
		:: won && unclear > 0 -> unclear--; won = false
		:: true
		fi;
#endif
		listed = (won -> mine : decision[round]);
#ifdef OWN_LIST
		listed = mine;
#endif
		mine = 0; won = false
	}
	:: atomic { under_way(decide, 0, round, mine); goto start }
	fi;
	if
	:: atomic { put_weights(round, listed); round++; listed = 0; goto step }
	:: atomic { under_way(average, 0, round, listed); goto start }
	fi;
finish:	atomic { outcome = true; goto over }
	} unless { atomic { dying == _pid -> dying = NOBODY } };
	if
	:: goto start
	:: _pid == 4
	fi;
over:
end:	do
	:: atomic { dying == _pid -> dying = NOBODY }
	od
}

init {
	atomic {
		run worker(0); run worker(1); run closer(); run closer(); run network(); run killer()
	};
	/* Every run ends with all results and the outcome. */
	(outcome && result[0] && result[1] && weights[ROUNDS] != 0)
}
