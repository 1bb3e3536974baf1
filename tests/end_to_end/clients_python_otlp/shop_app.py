# SPDX-License-Identifier: Apache-2.0
"""A FastAPI application that knows nothing of OpenTelemetry: it reads items out of PostgreSQL."""

import logging
import os

import psycopg
from fastapi import FastAPI

log = logging.getLogger("shop")
app = FastAPI()
connection = psycopg.connect(os.environ["SHOP_DATABASE"], autocommit=True)


@app.get("/items/{item_id}")
def read_item(item_id: int):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM item WHERE id = %s", (item_id,))
        name, = cursor.fetchone()
    log.warning("item %d is %s", item_id, name)
    return {"name": name}
