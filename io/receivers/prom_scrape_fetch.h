/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_fetch — one request for a page: what is sent, where redirects lead, what came back.
 *
 * The half of a member that speaks HTTP. Secrets go to the host that the configuration names and to
 * no other. Egress-local. Source: Prometheus, the headers of a scrape.
 */
#pragma once

#include "io/receivers/prom_scrape_member.h"

/* Sets the request of a new member up. */
void prom_fetch_init(struct prom_member *member);

/* Sends it. Sooner or later prom_member_take or prom_member_fail is called, perhaps from inside. */
void prom_fetch_begin(struct prom_member *member);

/* Unpacks the page on the bench: prom_member_unpacked or prom_member_spoil is called inside. */
void prom_fetch_unpack(struct prom_member *member);

/* Frees what the request took, which is not under way any more. */
void prom_fetch_drop(struct prom_member *member);
