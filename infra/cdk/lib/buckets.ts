import { Aws, CfnDeletionPolicy } from 'aws-cdk-lib';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { CfnBucket, CfnBucketPolicy } from 'aws-cdk-lib/aws-s3';
import type { CfnBucketProps } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

export interface Buckets {
  /** Descriptions that are too large for the table, and the index of the search. */
  readonly descriptions: CfnBucket;
  /** The audit log. */
  readonly audit: CfnBucket;
  /** Records of the stream that were given up. */
  readonly deadLetters: CfnBucket;
  /** Who accessed the others. */
  readonly accessLogs: CfnBucket;
}

/** The metrics of dead letters that are put; the alarm counts letters by these. */
export const LETTERS = 'Letters';

/** Files of an index that no generation has any more can be made again. */
const INDEX: CfnBucket.RuleProperty = {
  id: 'Index',
  status: 'Enabled',
  prefix: 'search/files/',
  noncurrentVersionExpiration: { noncurrentDays: 1 },
};

export function addBuckets(scope: Construct, key: CfnKey): Buckets {
  const withTheKey: CfnBucket.ServerSideEncryptionRuleProperty = {
    serverSideEncryptionByDefault: { sseAlgorithm: 'aws:kms', kmsMasterKeyId: key.attrArn },
    bucketKeyEnabled: true,
  };
  // Not with the key: a bucket that access logs are delivered to has to be encrypted so.
  const withTheBucketsOwn: CfnBucket.ServerSideEncryptionRuleProperty = {
    serverSideEncryptionByDefault: { sseAlgorithm: 'AES256' },
  };

  const accessLogs = addBucket(scope, 'AccessLogsBucket', {
    bucketEncryption: { serverSideEncryptionConfiguration: [withTheBucketsOwn] },
    lifecycleConfiguration: { rules: [{ ...tidy(1), expirationInDays: 365 }] },
  });
  const loggedUnder = (logFilePrefix: string): CfnBucket.LoggingConfigurationProperty => ({
    destinationBucketName: accessLogs.ref,
    logFilePrefix,
  });
  const descriptions = addBucket(scope, 'DescriptionsBucket', {
    bucketEncryption: { serverSideEncryptionConfiguration: [withTheKey] },
    loggingConfiguration: loggedUnder('descriptions/'),
    lifecycleConfiguration: { rules: [tidy(35), INDEX] },
  });
  const audit = addBucket(scope, 'AuditBucket', {
    bucketEncryption: { serverSideEncryptionConfiguration: [withTheKey] },
    loggingConfiguration: loggedUnder('audit/'),
    lifecycleConfiguration: { rules: [tidy(365)] },
  });
  const deadLetters = addBucket(scope, 'DeadLettersBucket', {
    bucketEncryption: { serverSideEncryptionConfiguration: [withTheKey] },
    loggingConfiguration: loggedUnder('dead-letters/'),
    metricsConfigurations: [{ id: LETTERS }],
    // They hold names and addresses of customers.
    lifecycleConfiguration: { rules: [{ ...tidy(35), expirationInDays: 180 }] },
  });

  addPolicy(scope, 'DescriptionsBucketPolicy', descriptions);
  addPolicy(scope, 'AuditBucketPolicy', audit);
  addPolicy(scope, 'DeadLettersBucketPolicy', deadLetters);
  addPolicy(scope, 'AccessLogsBucketPolicy', accessLogs, {
    Sid: 'AccessLogs',
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: `${accessLogs.attrArn}/*`,
    Condition: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
  });
  return { descriptions, audit, deadLetters, accessLogs };
}

function addBucket(scope: Construct, id: string, props: CfnBucketProps): CfnBucket {
  const bucket = new CfnBucket(scope, id, {
    publicAccessBlockConfiguration: {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    },
    ownershipControls: { rules: [{ objectOwnership: 'BucketOwnerEnforced' }] },
    versioningConfiguration: { status: 'Enabled' },
    ...props,
  });
  bucket.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE;
  bucket.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.RETAIN;
  return bucket;
}

function tidy(noncurrentDays: number): CfnBucket.RuleProperty {
  return {
    id: 'Tidy',
    status: 'Enabled',
    noncurrentVersionExpiration: { noncurrentDays },
    abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
  };
}

function addPolicy(scope: Construct, id: string, bucket: CfnBucket, ...more: object[]): void {
  const everything = { Principal: '*', Action: 's3:*', Resource: [bucket.attrArn, `${bucket.attrArn}/*`] };
  new CfnBucketPolicy(scope, id, {
    bucket: bucket.ref,
    policyDocument: {
      Version: '2012-10-17',
      Statement: [
        { Sid: 'OverTlsOnly', Effect: 'Deny', ...everything, Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
        { Sid: 'OverTls12', Effect: 'Deny', ...everything, Condition: { NumericLessThan: { 's3:TlsVersion': '1.2' } } },
        ...more,
      ],
    },
  });
}
