import { Aws } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { CfnRole } from 'aws-cdk-lib/aws-iam';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

import type { Buckets } from './buckets';
import { FACTS, filledIn, namesOfTables } from './facts';
import type { Named } from './facts';
import { FUNCTIONS } from './function-names';
import type { FunctionName } from './function-names';
import type { Logs } from './logs';
import type { Secrets } from './secrets';
import type { Settings } from './settings';
import { NO_SCAN_AND_NO_PARTIQL, TRACES, logging, mail } from './statements';
import type { Statement } from './statements';
import type { Tables } from './tables';

export type Roles = Readonly<Record<FunctionName, Role>>;

/** What the statements are about. */
export interface Resources {
  readonly key: CfnKey;
  readonly tables: Tables;
  readonly buckets: Buckets;
  readonly secrets: Secrets;
  readonly logs: Logs;
}

/**
 * A role for each function, with no more than it was seen to call. `dynamodb:LeadingKeys` narrows a call to the
 * partition keys it is for. The statements go to CloudFormation as they are written: grants would be wider.
 */
export function addRoles(scope: Construct, settings: Settings, resources: Resources): Roles {
  const named = namesOf(resources);
  const roles = FUNCTIONS.map((name) => {
    const role = new Role(scope, `${name}Role`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    const seen = filledIn<Statement[]>(FACTS.functions[name].permissions, named).map(onEachTableOnce);
    const mails = name === 'Notifications' ? [mail(settings)] : [];
    const statements = [NO_SCAN_AND_NO_PARTIQL, ...seen, ...mails, logging(resources.logs[name]), TRACES];
    setPolicy(role, name, statements);
    return [name, role] as const;
  });
  return Object.fromEntries(roles) as Record<FunctionName, Role>;
}

/** Kinds of data that a statement names one by one may be in the same table. */
function onEachTableOnce(statement: Statement): Statement {
  const { Resource } = statement;
  return Array.isArray(Resource) ? { ...statement, Resource: [...new Set(Resource)] } : statement;
}

/** Gives the role exactly these statements, and not the equal ones that an L2 document would make of them. */
export function setPolicy(role: Role, policyName: string, statements: object[]): void {
  const policyDocument = { Version: '2012-10-17', Statement: statements };
  (role.node.defaultChild as CfnRole).policies = [{ policyName, policyDocument }];
}

function namesOf({ key, tables, buckets, secrets }: Resources): Named {
  return {
    'AWS::Region': Aws.REGION,
    'Key.Arn': key.attrArn,
    ...namesOfTables(tables),
    'DescriptionsBucket.Arn': buckets.descriptions.attrArn,
    'AuditBucket.Arn': buckets.audit.attrArn,
    'DeadLettersBucket.Arn': buckets.deadLetters.attrArn,
    CursorKeys: secrets.cursorKeys.ref,
    LinkKeys: secrets.linkKeys.ref,
    OrderLinkKeys: secrets.orderLinkKeys.ref,
    PaymentSecrets: secrets.payment.ref,
  };
}
