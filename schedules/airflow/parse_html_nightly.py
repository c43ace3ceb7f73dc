"""Each night, the pages of the day before: the command of the shell, so that a retry resumes and nothing is done twice.

Variables: fireball_home (the checkout on the worker), hadoop_conf_dir. The output names the day: a backfill of another
day is another run, the same day again finds itself done.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    dag_id="parse_html_nightly",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    # Exit 4 (incomplete) resumes; 2 and 3 say the same again within seconds.
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
):
    BashOperator(
        task_id="parse_html",
        # A killed task is SIGTERM to this command: it ends the run in good order, application included.
        bash_command=(
            "exec {{ var.value.fireball_home }}/scripts/run.sh parse_html"
            " --input 'hdfs:///crawl/{{ ds }}/' --output 'hdfs:///pages/{{ ds }}'"
            " --master yarn --deploy-mode cluster"
            " --spark-conf spark.yarn.tags={{ dag.dag_id }},{{ task.task_id }},{{ ds }}"
        ),
        env={"HADOOP_CONF_DIR": "{{ var.value.hadoop_conf_dir }}"},
        append_env=True,
        # The last line is the summary: {"job": ..., "records": ..., "failed": ...}.
        do_xcom_push=True,
    )
