"""How long the shop may take, how much it may send, and what it takes from us."""

from datetime import timedelta
from http import HTTPStatus

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 20.0
ANSWER_TIMEOUT_SECONDS = 60.0  # for the whole body: one that drips in never runs into the read timeout
MAX_BODY_BYTES = 16 * 1024 * 1024
TOKEN_TIMEOUT_SECONDS = 15.0  # all that a fetch of an access token takes: others wait for it
MAX_TOKEN_BYTES = 64 * 1024
EXCHANGE_TIMEOUT_SECONDS = 4.0  # the vendor waits 5 for the answer to an installation
MAX_ESHOP_ID = 2**63
TOKEN_LIVES_SECONDS = 1800  # as the vendor says; an answer may say less
TOKENS_TAKEN_WAIT = timedelta(minutes=5)  # one of five that somebody else fetched ends within half an hour
DOWNLOAD_TIMEOUT_SECONDS = 25 * 60.0
ORDERS_PER_PAGE = 50  # the maximum; 100 is refused
CUSTOMERS_PER_PAGE, CUSTOMER_CHANGES_PER_PAGE = 1000, 20  # the maxima
STOCK_PER_PAGE = 1000  # the maximum
CHANGES_PER_PAGE = 1000  # the maximum
PRODUCTS_PER_PAGE = 1000  # the maximum
CATEGORIES_PER_PAGE = 1000  # the maximum
CONNECTIONS = 2  # the API takes 3 per token and somebody else may hold one
DONE_STATUSES = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}
BUSY_STATUSES = {423, 500, 502, 503, 504}
PAUSES_SECONDS = (0.2, 1.0)  # before the second and the third try of a call that a busy shop refused
FULL_BUCKET = 0.75  # from here on calls go no faster than the bucket drains: 10 a second
PACE_SECONDS = CONNECTIONS / 10
