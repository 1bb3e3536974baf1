/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_rig — an EMF encoder whose options are lines of text, and the documents it handed out.
 *
 *   options: namespace=N group=g stream=s rollup=zero|single|none version=0 detailed=1 retain=1
 *            copy=1 noservice=1 json=a,b series=10
 *   declare: dims=a,b;c select=^x,y match=l1,l2~SEPARATOR~REGEX|…     (dims=; is the empty set)
 *   describe: name=m unit=Count overwrite=1
 *
 * Options come before the first point. Points are lines of otlp_text.h.
 */
#pragma once

#include <stdbool.h>

#include "codecs/emf.h"
#include "tests/support/otlp_text.h"

#define EMF_RIG_DOCUMENTS_MAX 4096
#define EMF_RIG_NOW_MS UINT64_C(1600000000000)

struct emf_rig_document {
    struct emf_document document; /* texts are copies */
    void *memory;                 /* owned */
};

struct emf_rig {
    struct otlp_text text;
    struct emf_options options;
    struct emf *emf; /* made with the first flush */
    struct emf_now now;
    struct emf_rig_document documents[EMF_RIG_DOCUMENTS_MAX];
    size_t document_count;
    size_t regex_count;
};

/* Plain options: namespace "N", no roll-up. */
struct emf_rig *emf_rig_new(void);
void emf_rig_free(struct emf_rig *rig);

/* Takes a line of options or points; false for another key. */
bool emf_rig_line(struct emf_rig *rig, struct slice key, struct slice fields);

/* Encodes the points since the last flush; its documents replace the former ones. */
void emf_rig_flush(struct emf_rig *rig);

/* Fails the test at hand unless the text is one JSON object. */
void emf_rig_check_json(struct slice text);
